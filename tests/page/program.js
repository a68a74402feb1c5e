// `tiebreak serve` as a process: started on folders of its own, killed, started again.

import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { remove } from "../folder.mjs";

export const repository = join(dirname(fileURLToPath(import.meta.url)), "../..");
const target = process.env.CARGO_TARGET_DIR ?? join(homedir(), ".cache/tiebreak-target");
export const program = process.env.TIEBREAK_PROGRAM ?? join(target, "debug/tiebreak");

/** The processes that train in a folder or below it; none where the system does not tell. */
export function workers(folder) {
  const ids = existsSync("/proc") ? readdirSync("/proc").filter((name) => /^\d+$/.test(name)) : [];
  const command = (id) => {
    try {
      return readFileSync(`/proc/${id}/cmdline`, "utf8").split("\0");
    } catch {
      return []; // ended meanwhile
    }
  };
  const trains = ([, what, where]) => what === "worker" && (where === folder || where.startsWith(`${folder}/`));
  return ids.filter((id) => trains(command(id))).map(Number);
}

/** A machine of its own: a folder with projects, data, cache, and a tiny model among the projects. */
export class Machine {
  constructor(env = {}, options = []) {
    this.env = env;
    this.options = options;
    this.folder = mkdtempSync(join(tmpdir(), "tiebreak-page-"));
    this.projects = join(this.folder, "projects");
    this.model = join(this.projects, "tiny-model");
    mkdirSync(this.projects);
    cpSync(join(repository, "tests/golden/llama"), this.model, { recursive: true });
  }

  /** Starts the server and waits for its address; with a limit, it and its runs may map only so many kilobytes. The port is any, or one. */
  async start(limit = null, port = "0") {
    // A bus that is not there: nobody's keyring is asked.
    const own = { TIEBREAK_CACHE: join(this.folder, "cache"), TIEBREAK_DATA: join(this.folder, "data"), HF_HOME: join(this.folder, "hf"), DBUS_SESSION_BUS_ADDRESS: `unix:path=${join(this.folder, "no-bus")}` };
    const env = { ...process.env, ...own, ...this.env };
    const command = [program, "serve", "--port", port, "--projects", this.projects, "--json", ...this.options];
    if (limit !== null) command.unshift("sh", "-c", 'ulimit -v "$0" && exec "$@"', String(limit));
    this.process = spawn(command[0], command.slice(1), { env, stdio: ["ignore", "pipe", "pipe"] });
    this.said = "";
    this.process.stderr.on("data", (text) => (this.said += text));
    this.ended = new Promise((resolve) => this.process.on("exit", resolve));
    for await (const line of createInterface({ input: this.process.stdout })) {
      const told = JSON.parse(line);
      if (told.url) {
        this.url = told.url;
        this.token = told.token;
        return this;
      }
    }
    throw new Error(`the server did not start: ${this.said}`);
  }

  get origin() {
    return new URL(this.url).origin;
  }

  /** Kills the server as a power cut would. */
  async kill() {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  async end() {
    if (this.process?.exitCode === null) await this.kill();
    // Runs outlive their server, also one that a failing test leaves.
    for (const worker of workers(this.folder)) {
      try {
        process.kill(worker, "SIGKILL");
      } catch {
        // It has ended by itself meanwhile.
      }
    }
    await remove(this.folder);
  }

  /** Asks the server as the page does. */
  async call(operation, request) {
    const reply = await fetch(`${this.origin}/api/${operation}`, {
      method: "POST",
      headers: { Authorization: `Bearer ${this.token}`, "Content-Type": "application/json" },
      body: JSON.stringify(request),
    });
    const body = await reply.json();
    if (!reply.ok) throw Object.assign(new Error(`${operation}: ${body.message}`), { status: reply.status, body });
    return body;
  }

  async send(name, text) {
    const reply = await fetch(`${this.origin}/upload?name=${encodeURIComponent(name)}`, {
      method: "POST",
      headers: { Authorization: `Bearer ${this.token}`, "Content-Type": "application/octet-stream" },
      body: text,
    });
    return reply.json();
  }

  /** A project with a model and no rows, made without the page. */
  async emptyProject(name) {
    const { folder } = await this.call("create_project", { name, folder: null });
    await this.call("set_model", { project: folder, model: this.model });
    return folder;
  }

  /** A project with rows in it, made without the page. */
  async project(name, file, text, kind, plainText = "as_is") {
    const folder = await this.emptyProject(name);
    const { upload } = await this.send(file, text);
    const { mapping } = await this.call("preview_import", { project: folder, upload, mapping: null });
    if (mapping.kind !== kind) throw new Error(`${file} was taken for ${mapping.kind}, not ${kind}`);
    await this.call("import", { project: folder, upload, mapping: { ...mapping, plain_text: mapping.plain_text && plainText } });
    return folder;
  }
}
