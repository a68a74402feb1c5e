// A hub on this machine: the golden Llama as a repository, some that cannot be used, and what is pushed to it.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const golden = join(dirname(fileURLToPath(import.meta.url)), "../golden/llama");
export const COMMIT = "0123456789012345678901234567890123456789";

const hash = (kind, ...parts) => parts.reduce((sum, part) => sum.update(part), createHash(kind)).digest("hex");

function sibling([path, bytes]) {
  const entry = { rfilename: path, size: bytes.length, blobId: hash("sha1", `blob ${bytes.length}\0`, bytes) };
  return /\.(safetensors|gguf|parquet)$/.test(path) ? { ...entry, lfs: { sha256: hash("sha256", bytes), size: bytes.length, pointerSize: 134 } } : entry;
}

export class Hub {
  constructor() {
    const files = readdirSync(golden).filter((name) => statSync(join(golden, name)).isFile());
    const tiny = Object.fromEntries(files.map((name) => [name, readFileSync(join(golden, name))]));
    const config = (text) => ({ ...tiny, "config.json": Buffer.from(JSON.stringify(text)) });
    this.repos = {
      "org/tiny": { files: tiny, facts: { cardData: { license: "apache-2.0" }, safetensors: { total: 223_000 } } },
      "org/other": { files: config({ model_type: "mamba" }), facts: {} },
      "org/gguf": { files: { "q4.gguf": Buffer.alloc(2000), "q8.gguf": Buffer.alloc(3000) }, facts: {} },
      "org/gated": { files: tiny, facts: { gated: "manual" } },
    };
    /** Weights come only so far while this is set. */
    this.holds = false;
    /** No file is taken to its end while this is set. */
    this.takesNothing = false;
    this.asked = [];
    this.tokens = { hf_page_secret: { name: "ada", role: "write" } };
    this.storage = {};
  }

  async start() {
    this.server = createServer((request, response) => (request.method === "GET" ? this.answer(request, response) : this.take(request, response)));
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.address = `http://127.0.0.1:${this.server.address().port}`;
    this.stores = createServer((request, response) => this.take(request, response));
    await new Promise((resolve) => this.stores.listen(0, "127.0.0.1", resolve));
    return this;
  }

  end() {
    for (const server of [this.server, this.stores]) {
      server.closeAllConnections();
      server.close();
    }
  }

  answer({ url, headers }, response) {
    const path = new URL(url, this.address).pathname;
    this.asked.push({ path, range: headers.range ?? null });
    const refuse = (status, code) => response.writeHead(status, { "X-Error-Code": code, "Content-Length": 0 }).end();
    if (path === "/api/whoami-v2") {
      const account = this.account(headers);
      if (!account) return refuse(401, "");
      return reply(response, { name: account.name, auth: { accessToken: { role: account.role } } });
    }
    const facts = /^\/api\/(?:models|(datasets))\/(.+)\/revision\//.exec(path);
    const repo = this.repos[facts ? `${facts[1] ? "datasets/" : ""}${facts[2]}` : path.slice(1).split("/resolve/")[0]];
    if (!repo) return refuse(404, "RepoNotFound");
    if (facts) {
      const body = JSON.stringify({ ...repo.facts, sha: repo.commit ?? COMMIT, siblings: Object.entries(repo.files).map(sibling) });
      return response.writeHead(200, { "Content-Length": Buffer.byteLength(body) }).end(body);
    }
    if (repo.facts.gated) return refuse(401, "GatedRepo");
    const name = path.split(`/${COMMIT}/`)[1];
    const bytes = repo.files[name];
    if (!bytes) return refuse(404, "EntryNotFound");
    const from = headers.range ? Number(/\d+/.exec(headers.range)[0]) : 0;
    const range = headers.range ? { "Content-Range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {};
    response.writeHead(headers.range ? 206 : 200, { "Content-Length": bytes.length - from, ...range });
    if (this.holds && name.endsWith(".safetensors")) return response.write(bytes.subarray(from, from + 100_000));
    return response.end(bytes.subarray(from));
  }

  account({ authorization }) {
    return this.tokens[authorization?.replace("Bearer ", "")];
  }

  /** What is sent: a repository is made, files go to the storage, which has an address of its own, and into a commit. */
  async take(request, response) {
    const path = new URL(request.url, this.address).pathname;
    this.asked.push({ path, method: request.method, token: request.headers.authorization ?? null });
    if (this.takesNothing && request.method === "PUT") return; // the body stays where it is
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts);
    if (request.method === "PUT") {
      this.storage[path.split("/").pop()] = body;
      return response.writeHead(200, { ETag: '"x"', "Content-Length": 0 }).end();
    }
    if (!this.account(request.headers)) return reply(response, { error: "Invalid username or password." }, 401);
    if (path === "/verify") return reply(response, {});
    if (path === "/api/repos/create") {
      const { organization, name, type, private: isPrivate } = JSON.parse(body);
      if (organization !== "org") return reply(response, { error: `You have no rights in ${organization}` }, 403);
      this.repos[`${type === "dataset" ? "datasets/" : ""}${organization}/${name}`] = { files: {}, facts: { private: isPrivate } };
      return reply(response, { url: "made" });
    }
    if (path.endsWith("/objects/batch")) {
      const objects = JSON.parse(body).objects.map(({ oid, size }) => (this.storage[oid] ? { oid, size } : { oid, size, actions: { upload: { href: `http://127.0.0.1:${this.stores.address().port}/${oid}?Signature=x` }, verify: { href: `${this.address}/verify` } } }));
      return reply(response, { objects });
    }
    const [, kind, name, what] = /^\/api\/(models|datasets)\/(.+)\/(preupload|commit)\/main$/.exec(path);
    const repo = this.repos[`${kind === "datasets" ? "datasets/" : ""}${name}`];
    if (what === "preupload") {
      const isLarge = (file) => /\.(safetensors|gguf|parquet)$/.test(file.path);
      return reply(response, { files: JSON.parse(body).files.map((file) => ({ path: file.path, uploadMode: isLarge(file) ? "lfs" : "regular", shouldIgnore: false })) });
    }
    const [header, ...lines] = body.toString().trim().split("\n").map((line) => JSON.parse(line));
    if (header.value.parentCommit !== (repo.commit ?? COMMIT)) return reply(response, { error: "A commit has happened since." }, 412);
    for (const { key, value } of lines) repo.files[value.path] = key === "lfsFile" ? this.storage[value.oid] : Buffer.from(value.content, "base64");
    repo.commit = hash("sha1", body);
    return reply(response, { commitOid: repo.commit, commitUrl: `${this.address}/${name}/commit/${repo.commit}` });
  }
}

function reply(response, value, status = 200) {
  const body = JSON.stringify(value);
  return response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) }).end(body);
}
