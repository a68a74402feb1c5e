// A fresh project has a way forward on every screen, and what is not there is said with a way back.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { Machine } from "./program.js";

let machine, browser, page;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  page = await open(browser, machine);
});
after(async () => {
  await browser?.close();
  await machine?.end();
});

const at = (place) => page.evaluate((place) => (window.location.hash = `#/${place}`), place);
const screen = () => new URL(page.url()).hash;

test("without a project every screen leads to one", async () => {
  await page.getByRole("heading", { name: "Projects" }).waitFor();
  await page.getByRole("button", { name: "Open the demo" }).first().waitFor();
  for (const name of ["data", "label", "train", "evaluate", "export"]) {
    await at(name);
    await page.getByRole("heading", { name: "No project is open" }).waitFor();
    await page.getByRole("button", { name: "Choose a project" }).click();
    await page.getByRole("heading", { name: "Projects" }).waitFor();
  }
});

test("in a fresh project every screen says what to do, and its first button does it", async () => {
  await page.getByRole("button", { name: "New project" }).first().click();
  await page.getByLabel("Name").fill("Fresh");
  await page.getByRole("button", { name: "Make project" }).click();
  await page.getByRole("heading", { name: "Fresh" }).waitFor();
  const next = page.getByRole("region", { name: "What to do next" });
  await next.getByRole("button", { name: "Model" }).click();
  await page.waitForFunction(() => document.activeElement.closest("section")?.getAttribute("aria-labelledby") === "model-title");
  await next.getByRole("button", { name: "Data" }).click();
  await page.getByRole("heading", { name: "Drop a file here, or choose one" }).waitFor();

  for (const [place, title, leads, button] of [
    ["label", "Nothing to label yet", "#/data", "Import data"],
    ["label/agreement", "Nobody has judged yet", "#/label", "Label"],
    ["train", "No pairs yet", "#/data", "Go to Data"],
    ["evaluate", "Nothing to evaluate yet", "#/train", "Go to Train"],
    ["export", "There is nothing to export yet", "#/data", "Go to Data"],
  ]) {
    await at(place);
    if (place === "label") {
      await page.getByLabel("Your name").fill("Ada");
      await page.keyboard.press("Enter");
    }
    await page.getByRole("heading", { name: title }).waitFor();
    await page.getByRole("main").getByRole("button", { name: button, exact: true }).click();
    await page.waitForFunction((leads) => window.location.hash === leads, leads);
  }
  await at("evaluate");
  await page.getByRole("button", { name: "Compare without a run" }).click();
  await page.getByText("No run has an adapter yet: compare without one").waitFor({ state: "attached" });
  await page.getByLabel("Side A", { exact: true }).waitFor();
  await at("data");
  const chooser = page.waitForEvent("filechooser");
  await page.getByRole("button", { name: "Choose files" }).click();
  await chooser;
  await at("train/+new");
  await page.getByLabel("Where the model is").fill(machine.model);
  await page.getByText("This project has no pairs to train on").waitFor();
  await page.getByText("import pairs on the data screen, or label some").waitFor();
});

test("what is not there is said, with a way back", async () => {
  for (const [place, message, back] of [
    ["train/gone", /there is no run "gone" in this project/i, "All runs"],
    ["train/+compare/gone/lost", /there is no run "(gone|lost)" in this project/i, "All runs"],
    ["evaluate/gone", /there is no evaluation "gone" in this project/i, "All evaluations"],
  ]) {
    await at(place);
    await page.getByText(message).first().waitFor();
    await page.getByRole("button", { name: back }).click();
    await page.waitForFunction((screen) => window.location.hash === screen, `#/${place.split("/")[0]}`);
  }
});

test("a project that is taken off the list can be put back", async () => {
  await machine.call("create_project", { name: "Another", folder: null });
  await at("project");
  await page.reload();
  await page.getByRole("heading", { name: "Fresh" }).waitFor();
  const other = page.getByRole("button", { name: /^Another/ });
  await page.getByRole("button", { name: "More for Another" }).click();
  await page.getByRole("menuitem", { name: "Take off this list" }).click();
  await other.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Undo" }).click();
  await other.waitFor();
  await page.getByRole("heading", { name: "Fresh" }).waitFor();
});
