// The window under WebKitWebDriver on a screen of its own (Xvfb), by the W3C WebDriver protocol.

import { spawn } from "node:child_process";
import { createServer } from "node:net";

/** The key under which WebDriver names an element. */
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";
/** WebDriver's names of keys that are no letters. */
export const KEYS = { left: "\uE012", right: "\uE014", up: "\uE013", enter: "\uE007", control: "\uE009" };

/** Xvfb on the first display that is free. */
export async function screen() {
  const xvfb = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1280x820x24", "-nolisten", "tcp"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  const number = await new Promise((resolve, reject) => {
    let said = "";
    xvfb.on("error", reject);
    xvfb.on("exit", () => reject(new Error("Xvfb ended")));
    xvfb.stdio[3].on("data", (text) => (said += text).includes("\n") && resolve(said.trim()));
  });
  return { display: `:${number}`, end: () => xvfb.kill() };
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** One window, opened with `args` in `env`. */
export class Window {
  static async open(program, args, env) {
    const window = new Window();
    const port = await freePort();
    window.driver = spawn("WebKitWebDriver", [`--port=${port}`, "--host=127.0.0.1"], {
      env: { ...process.env, ...env, TAURI_WEBVIEW_AUTOMATION: "true" },
      stdio: ["ignore", "ignore", "inherit"],
    });
    window.base = `http://127.0.0.1:${port}`;
    const capabilities = { alwaysMatch: { "webkitgtk:browserOptions": { binary: program, args } } };
    for (let tries = 0; ; tries += 1) {
      try {
        const { sessionId } = await window.ask("POST", "/session", { capabilities });
        window.base += `/session/${sessionId}`;
        return window;
      } catch (error) {
        // The driver needs a moment until it listens.
        if (tries > 100 || error.cause?.code !== "ECONNREFUSED") {
          window.driver.kill();
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async ask(method, path, body) {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
    const reply = await fetch(this.base + path, init);
    const { value } = await reply.json();
    if (!reply.ok) throw new Error(`${method} ${path}: ${value?.error}: ${value?.message}`);
    return value;
  }

  /** Runs a function's body in the page; it may await. */
  async run(body, ...args) {
    const script = `const done = arguments[arguments.length - 1]; (async function () { ${body} }).apply(null, arguments).then((value) => done({ value }), (error) => done({ error: String(error?.message ?? error) }));`;
    const { value, error } = await this.ask("POST", "/execute/async", { script, args });
    if (error) throw new Error(error);
    return value;
  }

  /** One operation of the back end, asked as the page asks. */
  call(operation, request) {
    return this.run("return window.__TAURI_INTERNALS__.invoke('call', { operation: arguments[0], request: arguments[1] });", operation, request);
  }

  async press(...keys) {
    const actions = [...keys.map((value) => ({ type: "keyDown", value })), ...keys.toReversed().map((value) => ({ type: "keyUp", value }))];
    await this.ask("POST", "/actions", { actions: [{ type: "key", id: "keyboard", actions }] });
  }

  async type(selector, text) {
    const found = await this.ask("POST", "/element", { using: "css selector", value: selector });
    await this.ask("POST", `/element/${found[ELEMENT]}/value`, { text });
  }

  /** Waits until the page's text holds `text`. */
  async shows(text, seconds = 60) {
    await until(() => this.run("return document.body.innerText.includes(arguments[0]);", text), `“${text}” on the screen`, seconds);
  }

  /** The window as a picture, base64. */
  screenshot() {
    return this.ask("GET", "/screenshot");
  }

  /** Closes the window as its user would; the program ends. */
  async close() {
    await this.ask("DELETE", "").catch(() => {});
    this.driver.kill();
  }
}

export async function until(holds, what, seconds = 60) {
  const end = Date.now() + seconds * 1000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
