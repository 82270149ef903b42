// Requests to the server, and events that it streams.

/** Why a request failed, in words for the reader. */
export class Refused extends Error {}

const TRIES = 6;

async function ask(path, options) {
  for (let left = TRIES; ; left -= 1) {
    let response;
    try {
      response = await fetch(path, options);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused("The program does not answer. Is dm serve still running?");
    }
    if (response.ok) return response;
    // The server is busy: wait as long as it says, and ask again.
    if (response.status === 503 && left > 1) {
      const seconds = Number(response.headers.get("retry-after")) || 1;
      await new Promise((done) => setTimeout(done, 1000 * seconds));
      if (options?.signal?.aborted) throw new DOMException("aborted", "AbortError");
      continue;
    }
    const text = await response.json().then((body) => body.error, () => response.statusText);
    throw new Refused(text);
  }
}

const post = (body, signal) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(body),
  signal,
});

export const getJson = async (path, signal) => (await ask(path, { signal })).json();
export const postJson = async (path, body, signal) => (await ask(path, post(body, signal))).json();
export const postForFile = async (path, body) => (await ask(path, post(body))).blob();

/** Sends `body` and calls `event(name, data)` for each event of the answer until it ends. */
export async function stream(path, body, event, signal) {
  const response = await ask(path, post(body, signal));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const of = (key) => lines.find((line) => line.startsWith(key))?.slice(key.length);
      event(of("event: "), JSON.parse(of("data: ")));
    }
  }
}

/** Bytes from base64. */
export function bytes(text) {
  const decoded = atob(text);
  const result = new Uint8Array(decoded.length);
  for (let i = 0; i < decoded.length; i += 1) result[i] = decoded.charCodeAt(i);
  return result;
}

/** Base64 of bytes. */
export function base64(data) {
  let text = "";
  for (const byte of data) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Lets the browser save `blob` as `name`. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
