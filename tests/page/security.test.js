// Who is let in, and that what a model or a file says is shown and never run.

import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";

let machine, browser;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

/** A request with whatever headers: `fetch` would not send a foreign `Host`. */
function ask(headers, path = "/api/home") {
  const { hostname, port } = new URL(machine.origin);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method: "POST", headers: { "Content-Type": "application/json", ...headers } }, (reply) => {
      reply.resume();
      resolve(reply.statusCode);
    });
    sent.on("error", reject);
    sent.end("{}");
  });
}

test("only the page that was opened with the token is answered", async () => {
  const Authorization = `Bearer ${machine.token}`;
  assert.equal(await ask({ Authorization }), 200);
  assert.equal(await ask({}), 401);
  assert.equal(await ask({ Authorization: "Bearer wrong" }), 401);
  assert.equal(await ask({ Authorization: `Bearer ${machine.token}x` }), 401);
  assert.equal(await ask({ Authorization, Origin: "https://example.org" }), 403);
  assert.equal(await ask({ Authorization, Host: "example.org" }), 403);
});

test("a project outside the projects folder is refused", async () => {
  for (const folder of ["/", "/tmp", "../..", `${machine.projects}/../data`]) {
    await assert.rejects(machine.call("open_project", { folder }), ({ status }) => status === 403 || status === 422, folder);
  }
});

const HOSTILE = [
  "<script>window.run = true</script>",
  "<img src=x onerror='window.run = true'>",
  "[click](javascript:window.run=true) <a href='javascript:window.run=true'>here</a>",
  "\u202eright to left\u202c العربية עברית 🙂👩‍👩‍👧‍👦 \u0000 \ufffd",
  "x".repeat(1_000_000),
];

test("an answer that holds code, a megabyte or any script shows as text", async () => {
  const row = (text, i) => JSON.stringify({ prompt: `Question ${i}?`, response_a: text, response_b: "A plain answer." });
  const file = Buffer.concat([Buffer.from(HOSTILE.map(row).join("\n")), Buffer.from('\n{"prompt": "Broken?", "response_a": "'), Buffer.from([0xff, 0xfe, 0x80]), Buffer.from('", "response_b": "x"}\n')]);
  await machine.project("Hostile", "hostile.jsonl", file, "candidates");
  const page = await open(browser, machine);
  await page.getByRole("heading", { name: "Hostile" }).waitFor();
  await goTo(page, "l");
  await page.getByLabel("Your name").fill("Ada");
  await page.keyboard.press("Enter");
  const seen = [];
  for (let i = 0; i < HOSTILE.length; i += 1) {
    await page.getByLabel("Left answer, text").waitFor();
    const texts = await Promise.all(["Left", "Right"].map((side) => page.getByLabel(`${side} answer, text`).innerText()));
    seen.push(texts.find((text) => !text.includes("A plain answer.")) ?? "");
    await page.keyboard.press("d");
    await page.keyboard.press("d");
    await page.keyboard.press("ArrowLeft");
    await page.waitForFunction((count) => Number(document.querySelector("progress[aria-label='Items judged']")?.value) === count, i + 1);
  }
  assert.ok(seen.some((text) => text.includes("<script>window.run = true</script>")), "the script is not shown as text");
  assert.ok(seen.some((text) => text.includes("onerror")), "the image is not shown as text");
  assert.ok(seen.some((text) => text.includes("🙂")), "the emoji is not shown");
  assert.equal(await page.evaluate(() => window.run), undefined, "code from an answer was run");
  assert.equal(await page.locator("main a[href^='javascript:'], main script, main img[src='x']").count(), 0);
});
