/**
 * Reads a stream of server-sent events and hands over the data of each. `EventSource` would do this, but it cannot send
 * the header with the token.
 */
export async function readEvents(stream: ReadableStream<Uint8Array>, event: (data: string) => void): Promise<void> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let data: string[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return; // what is left is half an event: it is dropped, as the standard says
    rest += decoder.decode(value, { stream: true });
    let line: RegExpExecArray | null;
    // A `\r` at the very end may be the first half of `\r\n`: it waits for what comes.
    while ((line = /\r\n|\n|\r(?!$)/.exec(rest))) {
      const text = rest.slice(0, line.index);
      rest = rest.slice(line.index + line[0].length);
      if (text !== "") {
        if (text.startsWith("data:")) data.push(text.slice(text[5] === " " ? 6 : 5));
      } else if (data.length > 0) {
        event(data.join("\n"));
        data = [];
      }
    }
  }
}
