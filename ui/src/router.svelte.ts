import type { Screen } from "./client/bindings";
// The client takes the token out of the address, which is read below.
import "./client/client";

export const SCREENS: readonly Screen[] = ["project", "data", "label", "train", "evaluate", "export", "playground"];

/** A place in the page: a screen, and what is open on it (`#/train/run-3` is `{ screen: "train", rest: ["run-3"] }`). */
export type Route = { screen: Screen; rest: string[] };

export function parseHash(hash: string): Route {
  const [first = "", ...rest] = hash.replace(/^#\/?/, "").split("/");
  const screen = SCREENS.find((name) => name === first);
  if (!screen) return { screen: "project", rest: [] };
  return { screen, rest: rest.filter((part) => part !== "").map(decoded) };
}

export function hashOf(screen: Screen, ...rest: string[]): string {
  return `#/${[screen, ...rest.map(encodeURIComponent)].join("/")}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // typed by hand, with a stray %
  }
}

class Router {
  route = $state.raw<Route>(parseHash(window.location.hash));

  constructor() {
    window.addEventListener("hashchange", () => {
      // A link into a project is followed elsewhere: what is open stays so until the project is.
      if (!window.location.hash.startsWith("#open=")) this.route = parseHash(window.location.hash);
    });
  }

  get screen(): Screen {
    return this.route.screen;
  }

  /** What is open on the screen: the first part of the address after its name. */
  get open(): string | null {
    return this.route.rest[0] ?? null;
  }

  go(screen: Screen, ...rest: string[]): void {
    window.location.hash = hashOf(screen, ...rest);
  }

  /** As `go`, by a whole address. In the place of one that names a project: Back does not come to that again. */
  goTo(hash: string): void {
    const { screen, rest } = parseHash(hash);
    if (window.location.hash.startsWith("#open=")) this.replace(screen, ...rest);
    else this.go(screen, ...rest);
  }

  /** As `go`, in the place of what is open now: Back does not come here again. */
  replace(screen: Screen, ...rest: string[]): void {
    const hash = hashOf(screen, ...rest);
    history.replaceState(history.state, "", hash);
    this.route = parseHash(hash);
  }
}

export const router = new Router();
