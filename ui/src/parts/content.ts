import type { Content, Message } from "../client/bindings";

/** The turns of a prompt or an answer; nothing where it is one text. */
export function messagesOf(content: Content): Message[] | null {
  if (typeof content === "string") return null;
  return Array.isArray(content) ? content : content.messages;
}

/** What the chat template is given beside the turns, by name. */
export function besideTurns(content: Content): [name: string, value: unknown][] {
  if (typeof content === "string" || Array.isArray(content)) return [];
  const { tools, chat_template_kwargs } = content;
  const tool = tools?.length ? [["tools", tools] as [string, unknown]] : [];
  return [...tool, ...Object.entries(chat_template_kwargs ?? {})];
}

const isText = (part: unknown): part is { text: string } => typeof (part as { text?: unknown })?.text === "string";

/** What a message says as text: of parts, those that are text, one after the other. */
export function textOf(message: Message): string {
  const { content } = message;
  if (typeof content === "string") return content;
  return Array.isArray(content) ? content.filter(isText).map((part) => part.text).join("") : "";
}

/** The text of the last turn, or the one text that there is. */
export function lastText(content: Content): string {
  if (typeof content === "string") return content;
  const last = messagesOf(content)?.at(-1);
  return last ? textOf(last) : "";
}

/** What a message holds beyond its text: calls of tools, thoughts, parts that are no text. */
export function besideText(message: Message): [name: string, value: unknown][] {
  const parts = Array.isArray(message.content) ? message.content.filter((part) => !isText(part)) : [];
  const fields = Object.entries(message).filter(([name, value]) => name !== "role" && name !== "content" && value !== null);
  return [...parts.map((part): [string, unknown] => ["part", part]), ...fields];
}

/** Whether a message is a text and nothing more, so that it can be edited as one. */
export const isPlain = (message: Message) => typeof message.content === "string" && besideText(message).length === 0;
