// A model of the Hugging Face hub in the window: what it is before anything is fetched, fetched with its progress, stopped,
// resumed and chosen; what cannot be used is said with the reason.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { COMMIT, Hub } from "./hub.js";
import { Machine } from "./program.js";

let hub, machine, browser, page;
before(async () => {
  hub = await new Hub().start();
  machine = await new Machine({ HF_ENDPOINT: hub.address, HF_TOKEN: "", HF_HUB_OFFLINE: "", HF_HUB_CACHE: "", NO_PROXY: "*" }).start();
  browser = await launch();
  await machine.call("create_project", { name: "From the hub", folder: null });
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "From the hub" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
  hub?.end();
});

const lookUp = async (name) => {
  await page.getByLabel("Or a model by its path, or its name on the Hugging Face hub").fill(name);
  await page.getByRole("button", { name: "Look up" }).click();
};
const card = (name) => page.getByRole("region", { name, exact: true });
const fact = (region, name) => region.locator("dl.numbers > div").filter({ has: page.getByText(name, { exact: true }) }).locator("dd");

test("what a model is is shown before anything but its configuration is fetched", async () => {
  await lookUp("org/tiny");
  const tiny = card("org/tiny");
  assert.equal(await fact(tiny, "Family").textContent(), "llama, which can be trained here");
  assert.equal(await fact(tiny, "Licence").textContent(), "apache-2.0");
  assert.equal(await fact(tiny, "Commit").textContent(), COMMIT.slice(0, 7));
  assert.match(await fact(tiny, "On the disk").textContent(), /are here$/);
  assert.match(await fact(tiny, "In memory").textContent(), /^at least .+ for its weights$/);
  assert.deepEqual(hub.asked.map(({ path }) => path.split("/").pop()), ["main", "config.json"]);
});

test("it is fetched with its progress, stopped, resumed where it was, and used by its commit", async () => {
  const tiny = card("org/tiny");
  hub.holds = true;
  await tiny.getByRole("button", { name: /^Fetch / }).click();
  await tiny.getByRole("progressbar").waitFor();
  await tiny.getByText(/\d of \d/).waitFor();
  await tiny.getByRole("button", { name: "Cancel" }).click();
  await tiny.getByRole("button", { name: /^Fetch / }).waitFor();
  hub.holds = false;
  for (let waits = 0; waits < 300 && (await machine.call("jobs", {})).some(({ state }) => state === "running"); waits++) await new Promise((resolve) => setTimeout(resolve, 100));
  await tiny.getByRole("button", { name: /^Fetch / }).click();
  await tiny.getByRole("button", { name: "Use org/tiny" }).click();
  await tiny.getByText("Chosen", { exact: true }).waitFor();
  const weights = hub.asked.filter(({ path }) => path.endsWith("model.safetensors"));
  assert.equal(weights[0].range, null);
  assert.match(weights.at(-1).range, /^bytes=[1-9]\d*-$/, "what came before the stop is not fetched again");
  const { folder } = (await machine.call("home", {})).recent[0];
  assert.equal((await machine.call("open_project", { folder })).model, `hf:org/tiny@${COMMIT}`);
});

test("what cannot be had or trained is said with the reason, and several files are asked for", async () => {
  await lookUp("org/other");
  await card("org/other").getByText("This model cannot be trained here").waitFor();
  await card("org/other").getByText(/mamba/).waitFor();
  await lookUp("org/gated");
  await card("org/gated").getByText(/Accept the terms on http/).waitFor();
  await lookUp("org/gguf");
  await page.getByText(/hf:org\/gguf:q8\.gguf/).waitFor();
  await lookUp("org/none");
  await page.getByText(/The hub shows no repository org\/none/).waitFor();
  await page.getByText(/set HF_TOKEN to an access token/).waitFor();
});
