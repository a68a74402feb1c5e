// Pushing to the Hugging Face hub from the export screen: a token, what would be sent, sent with its progress, stopped, and
// where it is; nothing is replaced unseen.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Hub } from "./hub.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { trained } from "./screens.js";

const SECRET = "hf_page_secret";
let hub, machine, browser, page, folder;
before(async () => {
  hub = await new Hub().start();
  machine = await new Machine({ HF_ENDPOINT: hub.address, HF_TOKEN: "", HF_HUB_OFFLINE: "", HF_TOKEN_PATH: "", NO_PROXY: "*" }).start();
  browser = await launch();
  folder = await machine.project("Plain answers", "pairs.jsonl", pairs(40), "pairs");
  await trained(machine, folder, { name: "first", held_out_share: 0.25 }, { max_steps: 4 });
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Plain answers" }).waitFor();
  await goTo(page, "x");
  await page.getByRole("heading", { name: "Hugging Face hub" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
  hub?.end();
});

const card = () => page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: "Hugging Face hub" }) });
const show = () => card().getByRole("button", { name: "Show what is pushed" });

test("a token is asked for, checked, and used until the program ends", async () => {
  assert.ok(await show().isDisabled());
  await card().getByLabel("Repository", { exact: true }).fill("org/tuned");
  assert.ok(await show().isDisabled(), "nothing can be pushed without a token");
  const token = card().getByLabel("Access token");
  assert.equal(await token.getAttribute("type"), "password");
  await token.fill("hf_wrong");
  await card().getByRole("button", { name: "Use this token" }).click();
  await card().getByText("does not accept the access token").waitFor();
  await token.fill(SECRET);
  await card().getByLabel("Keep it in the system's keyring").check();
  await card().getByRole("button", { name: "Use this token" }).click();
  await card().getByText("There is no keyring on this system").waitFor();
  await card().getByLabel("Keep it in the system's keyring").uncheck();
  await card().getByRole("button", { name: "Use this token" }).click();
  await card().getByText(`Logged in as ada at ${hub.address}.`).waitFor();
  assert.ok(!(await page.content()).includes(SECRET));
  // Two of them were refused, as they should be.
  assert.ok(page.complaints.length > 0 && !page.complaints.some((said) => said.includes(SECRET) || said.includes("hf_wrong")), page.complaints.join("\n"));
  page.complaints.length = 0;
});

test("the list and the card are shown before anything is sent, and then it is pushed", async () => {
  const sent = () => hub.asked.filter(({ method }) => method);
  await show().click();
  const files = card().getByRole("table", { name: "Files to be pushed" });
  await files.getByText("adapter_model.safetensors").waitFor();
  assert.equal(sent().length, 0);
  await card().getByText("org/tuned is made for it.").waitFor();
  await card().getByText("The card, README.md").click();
  const text = await card().getByLabel("The card").innerText();
  assert.match(text, /library_name: "peft"/);
  assert.match(text, /Held-out accuracy \(`eval_rewards\/accuracies`\): [\d.]+ % \(95 % interval/);
  assert.ok(!text.includes(machine.folder), text);

  await card().getByRole("button", { name: "Push to org/tuned" }).click();
  await card().getByText(`${hub.address}/org/tuned`).waitFor();
  await card().getByText(/^Private, made for it\. .* sent, as commit [0-9a-f]{7}\.$/).waitFor();
  const { files: there, facts } = hub.repos["org/tuned"];
  assert.equal(facts.private, true);
  assert.equal(there["README.md"].toString().trim(), text.trim());
  const run = join(folder, "runs", readdirSync(join(folder, "runs"))[0]);
  assert.ok(there["adapter_model.safetensors"].equals(readFileSync(join(run, "adapter/adapter_model.safetensors"))));
  assert.ok(sent().filter(({ method }) => method === "PUT").every(({ token }) => token === null), "the storage gets no token");
  assert.ok(!readdirSync(run).some((name) => name.startsWith("push")), "what was exported for it is gone");
});

test("what somebody wrote is replaced only where that is chosen", async () => {
  hub.repos["org/tuned"].files["README.md"] = Buffer.from("by hand");
  hub.repos["org/tuned"].files["notes.txt"] = Buffer.from("mine");
  await show().click();
  await card().getByText("1 file of the repository would be replaced: README.md.").waitFor();
  await card().getByText("Other files of the repository, which stay: notes.txt.").waitFor();
  const push = card().getByRole("button", { name: "Push to org/tuned" });
  assert.ok(await push.isDisabled());
  await card().getByLabel("Replace them").check();
  // A change in between is not overwritten.
  hub.repos["org/tuned"].commit = "f".repeat(40);
  await push.click();
  await card().getByText(/was changed by somebody else since it was looked at/).waitFor();
  assert.equal(hub.repos["org/tuned"].files["README.md"].toString(), "by hand");
  await show().click();
  await card().getByLabel("Replace them").check();
  await push.click();
  await card().getByText(/^Private\. .* sent, as commit/).waitFor();
  assert.match(hub.repos["org/tuned"].files["README.md"].toString(), /^---\n/);
});

test("the pairs become a data set; a push is stopped, and goes on when it is repeated", async () => {
  await card().getByLabel("Repository", { exact: true }).fill("org/pairs");
  await card().getByLabel("What", { exact: true }).selectOption("pairs");
  await card().getByLabel("Private").uncheck();
  await show().click();
  await card().getByText("datasets/org/pairs is made for it.").waitFor();
  hub.takesNothing = true;
  await card().getByRole("button", { name: "Push to datasets/org/pairs" }).click();
  await card().getByRole("progressbar").waitFor();
  await card().getByRole("button", { name: "Cancel the push" }).click();
  await card().getByText("Cancelled: the repository is as it was.").waitFor({ timeout: 60_000 });
  hub.takesNothing = false;
  await show().click();
  await card().getByText("datasets/org/pairs is there, and everybody can read it.").waitFor();
  await card().getByRole("button", { name: "Push to datasets/org/pairs" }).click();
  await card().getByText(/^Public\. .* sent, as commit/).waitFor();
  assert.deepEqual(Object.keys(hub.repos["datasets/org/pairs"].files).toSorted(), ["README.md", "pairs.jsonl", "pairs.parquet"]);
});

test("what the hub refuses is told in words", async () => {
  await card().getByLabel("Repository", { exact: true }).fill("others/pairs");
  await show().click();
  await card().getByRole("button", { name: "Push to datasets/others/pairs" }).click();
  await card().getByText("You have no rights in others").waitFor();
  await card().getByLabel("Repository", { exact: true }).fill("nobody");
  await show().click();
  await card().getByText("it does not say whose it is").waitFor();
  assert.deepEqual(page.complaints, []);
  assert.ok(!machine.said.includes(SECRET));
});
