// A hub on this machine: the golden Llama as a repository, and some that cannot be used.

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
  return path.endsWith(".safetensors") || path.endsWith(".gguf") ? { ...entry, lfs: { sha256: hash("sha256", bytes), size: bytes.length, pointerSize: 134 } } : entry;
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
    this.asked = [];
  }

  async start() {
    this.server = createServer((request, response) => this.answer(request, response));
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.address = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  end() {
    this.server.closeAllConnections();
    this.server.close();
  }

  answer({ url, headers }, response) {
    const path = new URL(url, this.address).pathname;
    this.asked.push({ path, range: headers.range ?? null });
    const refuse = (status, code) => response.writeHead(status, { "X-Error-Code": code, "Content-Length": 0 }).end();
    const facts = /^\/api\/models\/(.+)\/revision\//.exec(path);
    const repo = this.repos[facts?.[1] ?? path.slice(1).split("/resolve/")[0]];
    if (!repo) return refuse(404, "RepoNotFound");
    if (facts) {
      const body = JSON.stringify({ ...repo.facts, sha: COMMIT, siblings: Object.entries(repo.files).map(sibling) });
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
}
