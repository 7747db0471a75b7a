// Requests to this server: the API key, errors in OpenAI's shape, event streams.
import { $ } from "./dom.js";
import { plain } from "./text.js";

const kKey = "quire.key";
const kEventMax = 64 << 20;  // characters

export class ApiFailure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const storedKey = () => localStorage.getItem(kKey) ?? "";
export function storeKey(key) {
  if (key) localStorage.setItem(kKey, key);
  else localStorage.removeItem(kKey);
}

// Relative to the page, so that it also works behind a path prefix of a proxy.
export async function request(path, options = {}) {
  const headers = { ...(options.headers ?? {}) };
  if (storedKey()) headers.Authorization = `Bearer ${storedKey()}`;
  if (options.json !== undefined) {
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(options.json);
  }
  const response = await fetch(path, { method: options.method ?? "GET", body: options.body, signal: options.signal,
    headers, cache: "no-store", credentials: "omit" });
  if (response.ok) return response;
  let message = `${response.status} ${response.statusText}`;
  try {
    const body = await response.json();
    if (typeof body?.error?.message === "string") message = plain(body.error.message, 2000);
  } catch { /* the body is no JSON: the status says it */ }
  if (response.status === 401) askForKey();
  throw new ApiFailure(response.status, message);
}

export const getJson = async (path) => (await request(path)).json();

function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    throw new Error(`the server sent an event that is no JSON: ${plain(data, 80)}`);
  }
}

// The data of each event of a stream; ends at [DONE] or with the stream.
export async function* events(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let buffer = "";
  try {
    while (true) {
      const { value, done } = await reader.read();
      if (buffer.length > kEventMax) throw new Error("the server sent an event without an end");
      buffer += done ? decoder.decode() : decoder.decode(value, { stream: true });
      let end;
      while ((end = buffer.search(/\r?\n\r?\n/)) >= 0) {
        const block = buffer.slice(0, end);
        buffer = buffer.slice(end).replace(/^\r?\n\r?\n/, "");
        const data = block.split(/\r?\n/).filter((line) => line.startsWith("data:"))
          .map((line) => line.slice(5).replace(/^ /, "")).join("\n");
        if (data === "[DONE]") return;
        if (data) yield parsed(data);
      }
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

let asking = false;
const listeners = [];
export const onKey = (f) => listeners.push(f);

export function askForKey() {
  if (asking) return;
  asking = true;
  const dialog = $("key");
  $("key-input").value = storedKey();
  dialog.returnValue = "cancel";
  dialog.showModal();
  dialog.addEventListener("close", () => {
    asking = false;
    if (dialog.returnValue === "cancel" || dialog.returnValue === "") return;
    storeKey(dialog.returnValue === "save" ? $("key-input").value.trim() : "");
    for (const f of listeners) f();
  }, { once: true });
}
