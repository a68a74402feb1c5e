import type { ApiError as ApiErrorShape } from "./bindings";

/** What went wrong, in words for the user: `message` says what, `hint` says what to do. */
export class ApiError extends Error {
  readonly code: string;
  readonly hint: string;

  constructor(shape: ApiErrorShape) {
    super(sentence(shape.message));
    this.name = "ApiError";
    this.code = shape.code;
    this.hint = sentence(shape.hint);
  }

  /** Whatever was thrown, as an error with a sentence and a hint. */
  static from(thrown: unknown): ApiError {
    if (thrown instanceof ApiError) return thrown;
    if (isShape(thrown)) return new ApiError(thrown);
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new ApiError({ code: "page", message, hint: "Try again. If it happens again, reload the page: nothing that was saved is lost." });
  }
}

/** The program's words, which a command line puts together, as they stand alone: with a capital and a full stop. */
export function sentence(text: string): string {
  const begun = /^[a-z]+([ ,:]|$)/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[\p{L}\p{N})"%]$/u.test(begun) ? `${begun}.` : begun;
}

function isShape(value: unknown): value is ApiErrorShape {
  if (typeof value !== "object" || value === null) return false;
  const { code, message, hint } = value as Record<string, unknown>;
  return typeof code === "string" && typeof message === "string" && typeof hint === "string";
}
