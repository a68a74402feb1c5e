import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { News } from "./bindings";
import { ApiError } from "./error";
import { HttpClient } from "./http";

const reply = (status: number, body: unknown) => new Response(JSON.stringify(body), { status });

/** A stream of the given chunks, as they come off the network. */
function stream(...chunks: (string | Uint8Array)[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(typeof chunk === "string" ? encoder.encode(chunk) : chunk);
      controller.close();
    },
  });
}

let fetched: ReturnType<typeof vi.fn<typeof fetch>>;

beforeEach(() => {
  sessionStorage.clear();
  window.location.hash = "";
  fetched = vi.fn<typeof fetch>();
  vi.stubGlobal("fetch", fetched);
});

afterEach(() => vi.unstubAllGlobals());

describe("the token", () => {
  it("leaves the address bar and is sent with every call", async () => {
    window.location.hash = "#token=se%2Bcret";
    const client = new HttpClient();
    expect(window.location.href).not.toContain("token");
    fetched.mockResolvedValue(reply(200, []));
    await client.call("jobs", {});
    const [path, init] = fetched.mock.calls[0]!;
    expect(path).toBe("/api/jobs");
    expect(init?.headers).toMatchObject({ Authorization: "Bearer se+cret" });
  });

  it("survives a reload of the tab", async () => {
    window.location.hash = "#token=abc";
    new HttpClient();
    fetched.mockResolvedValue(reply(200, []));
    await new HttpClient().call("jobs", {});
    expect(fetched.mock.calls[0]![1]?.headers).toMatchObject({ Authorization: "Bearer abc" });
  });
});

describe("errors", () => {
  it("are thrown with code, message and hint", async () => {
    fetched.mockResolvedValue(reply(400, { code: "no_project", message: "No such project.", hint: "Open another." }));
    const thrown = await new HttpClient().call("jobs", {}).catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(ApiError);
    expect(thrown).toMatchObject({ code: "no_project", message: "No such project.", hint: "Open another." });
  });

  it("say so when the program does not answer or refuses the token", async () => {
    fetched.mockRejectedValueOnce(new TypeError("network"));
    await expect(new HttpClient().call("jobs", {})).rejects.toMatchObject({ code: "unreachable" });
    fetched.mockResolvedValueOnce(new Response("", { status: 401 }));
    await expect(new HttpClient().call("jobs", {})).rejects.toMatchObject({ code: "token" });
    fetched.mockResolvedValueOnce(new Response("<html>", { status: 502 }));
    await expect(new HttpClient().call("jobs", {})).rejects.toMatchObject({ code: "http" });
  });

  it("let a call that was taken back end as such", async () => {
    fetched.mockImplementation(async (_, init) => {
      init?.signal?.throwIfAborted();
      return reply(200, []);
    });
    await expect(new HttpClient().call("jobs", {}, AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("files", () => {
  it("are sent as raw bytes with their name", async () => {
    fetched.mockResolvedValue(reply(200, { upload: "u1", name: "päirs & co.jsonl", bytes: 3 }));
    const file = new File(["{}\n"], "päirs & co.jsonl");
    await new HttpClient().send(file);
    const [path, init] = fetched.mock.calls[0]!;
    expect(path).toBe(`/upload?name=${encodeURIComponent("päirs & co.jsonl")}`);
    expect(init?.body).toBe(file);
  });
});

describe("news", () => {
  const project = (name: string): News => ({ type: "project", project: name });
  const event = (name: string) => `data: ${JSON.stringify(project(name))}\n\n`;

  it("arrive whole however the stream is cut, also inside a letter", async () => {
    const bytes = new TextEncoder().encode(event("ünü"));
    const cut = bytes.indexOf(0xc3) + 1;
    fetched.mockResolvedValueOnce(new Response(stream(": hello\r\n\r\n", event("a"), bytes.slice(0, cut), bytes.slice(cut), "data: {half")));
    fetched.mockImplementation(() => new Promise(() => {}));
    const seen: News[] = [];
    const stop = new HttpClient().news((news) => seen.push(news), () => {});
    await vi.waitFor(() => expect(seen).toEqual([project("a"), project("ünü")]));
    stop();
  });

  it("go on after the stream broke", async () => {
    fetched.mockResolvedValueOnce(new Response(stream(event("a"))));
    fetched.mockRejectedValueOnce(new TypeError("network"));
    fetched.mockResolvedValueOnce(new Response(stream(event("b"))));
    fetched.mockImplementation(() => new Promise(() => {}));
    const seen: News[] = [];
    const told: (string | null)[] = [];
    const stop = new HttpClient().news((news) => seen.push(news), (why) => told.push(why?.code ?? null));
    await vi.waitFor(() => expect(seen).toEqual([project("a"), project("b")]), { timeout: 4000 });
    // That nobody answers is told at once, and so is that somebody does again.
    expect(told).toEqual([null, "unreachable", null]);
    stop();
  });

  it("stop when nobody listens, and are not asked for with a wrong token again", async () => {
    fetched.mockResolvedValue(new Response("", { status: 401 }));
    let told: ApiError | null = null;
    new HttpClient().news(() => {}, (why) => (told = why));
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(fetched).toHaveBeenCalledTimes(1);
    expect(told).toMatchObject({ code: "token" });
  });
});
