// Every automatic judge, chosen on the page: a rule, a program, a model behind an address. What fails is said, and nobody
// has to wait for a judge that hangs.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { goTo, launch, open } from "./browser.js";
import { Machine } from "./program.js";
import { pairs } from "./rows.js";
import { trained, until } from "./screens.js";

let machine, browser, page, project, endpoint;
before(async () => {
  machine = await new Machine().start();
  browser = await launch();
  project = await machine.project("Judged", "pairs.jsonl", pairs(40), "pairs");
  await trained(machine, project, { name: "run" }, { max_steps: 8 });
  endpoint = await new Endpoint().start();
  page = await open(browser, machine);
  await page.getByRole("heading", { name: "Judged" }).waitFor();
});
after(async () => {
  await browser?.close();
  await machine?.end();
  endpoint?.server.close();
  endpoint?.server.closeAllConnections();
});

/** An OpenAI-compatible server, which does as it is told. */
class Endpoint {
  asked = [];
  /** What it does with a question: gives the text of a completion, or a status, or nothing at all. */
  answer = () => "a";

  async start() {
    this.server = createServer(async (request, reply) => {
      let body = "";
      for await (const part of request) body += part;
      this.asked.push({ path: request.url, authorization: request.headers.authorization, ...JSON.parse(body) });
      const said = this.answer(JSON.parse(body).messages.at(-1).content);
      if (said === null) return;
      const [status, content] = typeof said === "number" ? [said, "no such key here"] : [200, said];
      reply.writeHead(status, { "Content-Type": "application/json" });
      reply.end(JSON.stringify(status === 200 ? { choices: [{ message: { role: "assistant", content } }] } : { error: content }));
    });
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}/v1`;
    return this;
  }
}

async function newEvaluation() {
  await goTo(page, "e");
  await page.getByRole("button", { name: "New evaluation" }).first().click();
}

/** Starts an evaluation from the page, judged as `choose` fills in the form. */
async function evaluate(prompts, choose) {
  await newEvaluation();
  await page.getByLabel("At most so many prompts").fill(String(prompts));
  await page.getByText("How the models answer").click();
  await page.getByLabel("max_new_tokens").fill("12");
  await choose();
  await page.getByRole("button", { name: "Start evaluation" }).click();
  await page.getByRole("heading", { name: "Evaluation of run" }).waitFor();
  return decodeURIComponent(new URL(page.url()).hash.split("/")[2]);
}

const done = () => page.getByText(/^done · /).waitFor({ timeout: 60_000 });
const judgedBy = (title) => page.getByRole("radio", { name: title }).check();
const items = async (evaluation) => (await machine.call("eval_items", { project, evaluation, filter: "all", offset: 0, limit: 50 })).rows;
/** Pairs of answers that a judge is asked about: where both are the same, nobody is. */
const differing = (rows) => rows.filter(({ base, tuned }) => base !== tuned);
/** The row of a table on the result, by its name. */
const row = (name) => page.getByRole("row", { name }).getByRole("cell").allInnerTexts();

test("a rule", async () => {
  const evaluation = await evaluate(10, async () => {
    await judgedBy(/^A rule/);
    await page.getByLabel("Rule", { exact: true }).selectOption("contains");
    await page.getByLabel("Text", { exact: true }).fill("P");
  });
  await done();
  const rows = await items(evaluation);
  assert.equal(rows.length, 10);
  const holds = (text) => text.toLowerCase().includes("p");
  for (const { base, tuned, auto } of rows) assert.equal(auto, holds(tuned) === holds(base) ? "tie" : holds(tuned) ? "tuned" : "base");
  const count = (winner) => String(rows.filter(({ auto }) => auto === winner).length);
  assert.deepEqual((await row(/^The judge/)).slice(0, 4), [count("tuned"), count("tie"), count("base"), "0"]);
});

test("another judge decides on the same answers, and nothing is generated anew", async () => {
  const before = decodeURIComponent(new URL(page.url()).hash.split("/")[2]);
  const texts = (rows) => rows.map(({ base, tuned }) => [base, tuned]);
  await page.getByRole("button", { name: "Judge again" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("radio", { name: /^A rule/ }).check();
  await dialog.getByLabel("Rule", { exact: true }).selectOption("contains");
  await dialog.getByLabel("Text", { exact: true }).fill("E");
  await dialog.getByRole("button", { name: "Judge", exact: true }).click();
  await page.getByText("On the answers of").waitFor();
  await done();
  const evaluation = decodeURIComponent(new URL(page.url()).hash.split("/")[2]);
  assert.notEqual(evaluation, before);
  const rows = await items(evaluation);
  assert.deepEqual(texts(rows), texts(await items(before)));
  const holds = (text) => text.toLowerCase().includes("e");
  for (const { base, tuned, auto } of rows) assert.equal(auto, holds(tuned) === holds(base) ? "tie" : holds(tuned) ? "tuned" : "base");
  await page.getByRole("link", { name: before, exact: true }).click();
  await until(() => page.url().endsWith(`/${before}`), "the first evaluation");
});

test("a program, which learns nothing but prompt and two answers", async () => {
  const [script, log] = ["judge.mjs", "asked.jsonl"].map((name) => join(machine.folder, name));
  writeFileSync(script, `
    import { appendFileSync, readFileSync } from "node:fs";
    const line = readFileSync(0, "utf8");
    appendFileSync(${JSON.stringify(log)}, line);
    const { a, b } = JSON.parse(line);
    console.log(JSON.stringify({ winner: a.length === b.length ? "tie" : a.length > b.length ? "a" : "b", reason: "It has more signs." }));
  `);
  const evaluation = await evaluate(4, async () => {
    await judgedBy(/^A program/);
    await page.getByLabel("Program and arguments").fill(`${process.execPath} ${script}`);
  });
  await done();
  const rows = await items(evaluation);
  for (const { base, tuned, auto } of rows) assert.equal(auto, tuned.length > base.length ? "tuned" : tuned.length < base.length ? "base" : "tie");
  const asked = readFileSync(log, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  // Once before the models answered, with answers that neither gave.
  assert.deepEqual(asked.map((question) => Object.keys(question)), Array(1 + differing(rows).length).fill(["id", "prompt", "a", "b"]));
  assert.deepEqual([asked[0].id, asked[0].a, asked[0].b], [0, "Yes.", "No."]);
  await page.getByRole("link", { name: "Answers", exact: true }).click();
  await page.getByText("It has more signs.").waitFor();
});

/** What is refused on the form leaves no evaluation behind. */
async function refused(choose, why) {
  const before = (await machine.call("evaluations", { project })).length;
  await newEvaluation();
  await choose();
  await page.getByRole("button", { name: "Start evaluation" }).click();
  await page.getByText(why).waitFor();
  assert.equal((await machine.call("evaluations", { project })).length, before);
  // The browser tells of the refusal, and the reply says why: both are expected here, and nothing else is.
  await until(() => page.complaints.length >= 2, "the refusal to be told");
  assert.deepEqual(page.complaints.filter((said) => !/422|the judge cannot work/.test(said)), []);
  page.complaints = [];
}

test("a program that fails is refused before the models answer, and why", async () => {
  const script = join(machine.folder, "broken.mjs");
  writeFileSync(script, "console.error('no such dictionary'); process.exit(3);");
  const program = (text) => async () => {
    await judgedBy(/^A program/);
    await page.getByLabel("Program and arguments").fill(text);
  };
  await refused(program(`${process.execPath} ${script}`), /the judge cannot work.*exit status: 3.*no such dictionary/i);
  await refused(program("no-such-program-here --strict"), /no-such-program-here could not be started/);
});

test("a program that fails on some prompts, and one that is gone after it was tried out", async () => {
  const [some, once] = ["some.mjs", "once.mjs"].map((name) => join(machine.folder, name));
  writeFileSync(some, `
    import { readFileSync } from "node:fs";
    const { id, a } = JSON.parse(readFileSync(0, "utf8"));
    if (id % 2 === 1) { console.error("odd numbers are beyond me"); process.exit(3); }
    console.log("a");
  `);
  const program = (script) => async () => {
    await judgedBy(/^A program/);
    await page.getByLabel("Program and arguments").fill(`${process.execPath} ${script}`);
  };
  const evaluation = await evaluate(10, program(some));
  await done();
  const rows = await items(evaluation);
  const failed = rows.filter(({ id, base, tuned }) => base !== tuned && id % 2 === 1).length;
  assert.equal(rows.filter(({ auto }) => auto === "none").length, failed);
  await page.getByText(`${failed} of 10 prompts have no verdict`).waitFor();
  await page.getByText(/Why, most often .*exit status: 3.*odd numbers are beyond me/).waitFor();

  writeFileSync(once, `
    import { readFileSync } from "node:fs";
    const { a } = JSON.parse(readFileSync(0, "utf8"));
    if (a !== "Yes.") { console.error("gone"); process.exit(4); }
    console.log("a");
  `);
  await evaluate(10, program(once));
  await page.getByText("Nobody is at work on this evaluation").waitFor({ timeout: 60_000 });
  await page.getByText(/exit status: 4.*gone/).first().waitFor();
});

async function byModel(prompts, url = endpoint.url) {
  return evaluate(prompts, async () => {
    await judgedBy(/^A model/);
    await page.getByRole("textbox", { name: "Address" }).fill(url);
    await page.getByLabel("Model", { exact: true }).fill("judge-1");
  });
}

test("a model behind an OpenAI-compatible address", async () => {
  endpoint.answer = () => "b";
  const evaluation = await byModel(6);
  await done();
  const rows = await items(evaluation);
  const [{ path, model, temperature, messages }] = endpoint.asked;
  // Once before the models answered.
  const questions = endpoint.asked.slice(1);
  assert.equal(questions.length, differing(rows).length);
  assert.deepEqual([path, model, temperature, messages.length], ["/v1/chat/completions", "judge-1", 0, 2]);
  // It always says b: who stood there was drawn, either model equally often.
  const winners = differing(rows).map(({ auto, base, tuned }, i) => [auto, { base, tuned }[auto], questions[i].messages[1].content]);
  const wins = (winner) => winners.filter(([won]) => won === winner).length;
  assert.ok(Math.abs(wins("tuned") - wins("base")) <= 1, winners.map(([won]) => won).join());
  assert.equal(rows.filter(({ auto, same }) => auto === "tie" && same).length, 6 - winners.length);
  for (const [winner, answer, question] of winners) assert.ok(question.includes(`[Answer B]\n${answer}\n[End of answer B]`), `${winner}: ${question}`);
});

test("a model that cannot be asked is refused before the models answer, and why", async () => {
  const model = (url, key = "") => async () => {
    await judgedBy(/^A model/);
    await page.getByRole("textbox", { name: "Address" }).fill(url);
    await page.getByLabel("Model", { exact: true }).fill("judge-1");
    await page.getByLabel("Key", { exact: true }).selectOption(key === "" ? "none" : "variable");
    if (key !== "") await page.getByLabel("Environment variable that holds the key").fill(key);
  };
  endpoint.answer = () => 401;
  await refused(model(endpoint.url), /key was refused \(401\).*no such key here/);
  endpoint.answer = () => 404;
  await refused(model(endpoint.url), /no such address or model there \(404\)/);
  await refused(model(endpoint.url, "TIEBREAK_NO_SUCH_KEY"), /TIEBREAK_NO_SUCH_KEY, which should hold the key, is not set/);
  await refused(model("http://127.0.0.1:9/v1"), /no answer came/);
});

test("words that are no verdict are kept and shown, and those that are ties or comparisons are read", async () => {
  const said = ["Answer A", "[[C]]", "It is hard to say: A or B, each has its merits.", "A >> B", "It's a tie.", "**B**"];
  let questions = 0;
  endpoint.answer = () => ["a", ...said][Math.min(questions++, said.length)];
  const evaluation = await byModel(said.length);
  await done();
  const rows = differing(await items(evaluation));
  assert.equal(rows.length, said.length, "no two answers are the same");
  const kind = (auto) => (["tuned", "base"].includes(auto) ? "decided" : auto);
  assert.deepEqual(rows.map(({ auto }) => kind(auto)), ["decided", "tie", "none", "decided", "tie", "decided"]);
  assert.match(rows[2].auto_reason, /It is hard to say: A or B, each has its merits\./);
  await page.getByText(/1 of 6 prompts has no verdict and does not count\. Why, most often/).waitFor();
});

test("a model that hangs is stopped at once, and the evaluation resumes with it later", async () => {
  let questions = 0;
  // It answers when it is tried out, and the first pair.
  endpoint.answer = () => ((questions += 1) <= 2 ? "tie" : null);
  // The reply that it began comes after the news that it judges.
  const start_evaluation = "**/start_evaluation";
  await page.route(start_evaluation, async (route) => {
    const response = await route.fetch();
    await until(() => questions === 3, "the second pair");
    await route.fulfill({ response });
  });
  const evaluation = await byModel(3);
  await page.unroute(start_evaluation);
  await until(() => questions === 3, "the second pair");
  await page.getByText("judge", { exact: true }).first().waitFor();
  const start = performance.now();
  await page.getByRole("button", { name: "Stop", exact: true }).click();
  await page.getByText("Nobody is at work on this evaluation").waitFor();
  assert.ok(performance.now() - start < 3000, `it took ${Math.round(performance.now() - start)} ms`);
  // What it had judged is kept; what it hung at is no failure of the judge.
  assert.deepEqual((await items(evaluation)).map(({ auto, auto_reason }) => [auto, auto_reason]), [["tie", null], ["none", "not judged"], ["none", "not judged"]]);

  endpoint.answer = () => "a";
  await page.getByRole("button", { name: "Resume" }).click();
  await done();
  const winners = (await items(evaluation)).map(({ auto }) => auto);
  assert.ok(winners[0] === "tie" && !winners.includes("none"), winners.join());
  assert.deepEqual(page.complaints, []);
});

test("a key that is not the name of a variable, and an address that others could read, are refused on the page", async () => {
  await newEvaluation();
  await judgedBy(/^A model/);
  await page.getByLabel("Model", { exact: true }).fill("judge-1");
  await page.getByLabel("Key", { exact: true }).selectOption("variable");
  await page.getByLabel("Environment variable that holds the key").fill("sk-secret-key");
  await page.getByText(/not the key itself/).waitFor();
  assert.ok(await page.getByRole("button", { name: "Start evaluation" }).isDisabled());
  await page.getByLabel("Key", { exact: true }).selectOption("none");
  await page.getByRole("textbox", { name: "Address" }).fill("http://example.com/v1");
  await page.getByRole("button", { name: "Start evaluation" }).click();
  await page.getByText(/would be read by others on the way; use https/).waitFor();
});

test("a key that is typed is sent to its server, and stands in no file and no reply", async () => {
  const KEY = "sk-typed-for-this-session";
  // What was refused before is no complaint of this.
  page.complaints.length = 0;
  endpoint.asked = [];
  endpoint.answer = () => "a";
  const evaluation = await evaluate(3, async () => {
    await judgedBy(/^A model/);
    await page.getByRole("textbox", { name: "Address" }).fill(endpoint.url);
    await page.getByLabel("Model", { exact: true }).fill("judge-1");
    await page.getByLabel("Key", { exact: true }).selectOption("session");
    await page.getByLabel("The key itself").fill(KEY);
  });
  await done();
  assert.ok(endpoint.asked.length > 1 && endpoint.asked.every(({ authorization }) => authorization === `Bearer ${KEY}`));
  const replies = await Promise.all([machine.call("evaluation", { project, evaluation, theme: "light" }), machine.call("evaluations", { project }), machine.call("jobs", {})]);
  assert.ok(!JSON.stringify(replies).includes(KEY));
  assert.equal(replies[0].summary.key_for, new URL(endpoint.url).origin);
  for (const entry of readdirSync(project, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) assert.ok(!readFileSync(join(entry.parentPath, entry.name)).includes(KEY), entry.name);
  }
  // A program that was started anew does not know it: what is missing is said, and typed again.
  await assert.rejects(machine.call("judge_again", { project, evaluation, judge: { kind: "endpoint", url: "http://127.0.0.1:9/v1", model: "m", key_env: null, key_from: "session" } }), /the key for http:\/\/127\.0\.0\.1:9 is not known/);
  assert.deepEqual(page.complaints, []);
});
