// Debian's Chromium, and what tests do on a page again and again.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export function launch() {
  const executablePath = process.env.TIEBREAK_BROWSER ?? PLACES.find((place) => existsSync(place));
  if (!executablePath) throw new Error("no Chromium here: install Debian's package chromium, or name one with TIEBREAK_BROWSER");
  const args = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  // Chromium's sandbox does not work for root, which is who runs tests in a container.
  if (process.getuid?.() === 0) args.push("--no-sandbox");
  return chromium.launch({ executablePath, args });
}

/** Opens the page; whatever its console complains about fails the test that looks at `complaints`. */
export async function open(browser, machine, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 820 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.on("console", (message) => message.type() === "error" && page.complaints.push(message.text()));
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  // What was refused, in the program's words: a console says only that something was.
  page.on("response", async (reply) => reply.status() >= 400 && page.complaints.push(`${reply.url()}: ${await reply.text().catch(() => "")}`));
  await slowed(context);
  await page.goto(machine.url);
  return page;
}

/**
 * With TIEBREAK_PAGE_DELAY, holds back every question, every reply and all news for some time up to so many milliseconds:
 * what the page or a test takes for granted on a quick machine then shows.
 */
async function slowed(context) {
  const longest = Number(process.env.TIEBREAK_PAGE_DELAY ?? 0);
  if (longest > 0) await context.addInitScript(holdBack, longest);
}

/** Runs in the page. */
function holdBack(longest) {
  const wait = () => new Promise((resolve) => setTimeout(resolve, Math.random() * longest));
  const fetched = window.fetch;
  window.fetch = async (address, init) => {
    await wait();
    const reply = await fetched(address, init);
    await wait();
    return reply.headers.get("Content-Type") === "text/event-stream" ? new Response(reply.body.pipeThrough(late()), reply) : reply;
  };
  // News are late, but stay in their order.
  const late = () => {
    let last = Promise.resolve();
    const transform = (chunk, controller) => {
      const due = wait();
      last = last.then(() => due).then(() => controller.enqueue(chunk));
    };
    return new TransformStream({ transform, flush: () => last });
  };
}

/** Goes to a screen by its keys: `g`, then a letter. */
export async function goTo(page, letter) {
  await page.locator("#main").focus();
  await page.keyboard.press("g");
  await page.keyboard.press(letter);
}

/** Opens what is told in a line: findings and notes of which there are several. */
export async function unfold(page) {
  const all = "details:is(.info, .warning, .error):not(.bare)";
  await page.locator(all).first().waitFor();
  const folded = page.locator(`${all}:not([open]) > summary`);
  while ((await folded.count()) > 0) await folded.first().click();
}

/** Writes a setting of a run that is being prepared, wherever it is folded away. */
export async function set(page, key, value) {
  const field = page.getByLabel(key, { exact: true });
  await field.waitFor({ state: "attached" });
  await page.evaluate(() => document.querySelectorAll("main details").forEach((details) => (details.open = true)));
  await field.fill(value);
  await field.press("Tab");
}
