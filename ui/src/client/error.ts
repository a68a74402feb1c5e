import type { ApiError as ApiErrorShape } from "./bindings";

/** What went wrong, as sentences for the user: `message` says what, `hint` says what to do (written as sentences already). */
export class ApiError extends Error {
  readonly code: string;
  readonly hint: string;

  constructor(shape: ApiErrorShape) {
    super(sentence(shape.message));
    this.name = "ApiError";
    this.code = shape.code;
    this.hint = shape.hint;
  }

  /** Whatever was thrown, as an error with a sentence and a hint. */
  static from(thrown: unknown): ApiError {
    if (thrown instanceof ApiError) return thrown;
    if (isShape(thrown)) return new ApiError(thrown);
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return new ApiError({ code: "page", message, hint: "Try again. If it happens again, reload the page: nothing that was saved is lost." });
  }
}

/**
 * What the program says, as a sentence: a capital at the start unless a name or a path stands there, a full stop at the end
 * unless a path does.
 */
export function sentence(text: string): string {
  const trimmed = text.trim();
  const begun = /^\p{Ll}[\p{L}'’-]*(?=\s|[,;!?]|[.:](?:\s|$)|$)/u.test(trimmed) ? trimmed.charAt(0).toUpperCase() + trimmed.slice(1) : trimmed;
  const ended = /[.!?…:;]["'”’)]?$/.test(begun) || /[\\/]\S*$/.test(begun) || begun === "";
  return ended ? begun : `${begun}.`;
}

function isShape(value: unknown): value is ApiErrorShape {
  if (typeof value !== "object" || value === null) return false;
  const { code, message, hint } = value as Record<string, unknown>;
  return typeof code === "string" && typeof message === "string" && typeof hint === "string";
}
