// Conversations in the browser's storage; export and import.
import { kForms, kNames } from "./sampling.js";
import { isCount, isText } from "./text.js";

const kConversations = "quire.conversations";
const kImportBytesMax = 20 << 20;
const kRoles = ["user", "assistant", "tool", "system"];
const kFacts = ["prompt_tokens", "completion_tokens", "cached_tokens", "tokens_per_second", "first_token_ms"];
const kDepthMax = 12;     // of versions inside versions
const kMessagesMax = 5000;  // of a conversation with all its versions
const kVersionsMax = 50;
const kPicturesMax = 16;
const kCallsMax = 128;

const newId = () => crypto.getRandomValues(new Uint32Array(2)).join("-");

export const emptySettings = () => ({ system: "", sampling: {}, logprobs: false, tools: "", form: "", formText: "" });

export function newConversation(settings = emptySettings()) {
  return { id: newId(), title: "New conversation", created: Date.now(), settings: structuredClone(settings), messages: [] };
}

export function load() {
  try {
    const list = JSON.parse(localStorage.getItem(kConversations) ?? "[]");
    return Array.isArray(list) ? list.map(checked).filter(Boolean) : [];
  } catch {
    return [];
  }
}

// False when the browser has no room.
export function save(conversations) {
  // What was shown with a token is large and can be asked again: it is not kept.
  const text = JSON.stringify(conversations, (key, value) => (key === "tokens" || key === "busy" ? undefined : value));
  try {
    localStorage.setItem(kConversations, text);
    return true;
  } catch {
    return false;
  }
}

const isPicture = (value) => isText(value) && /^data:image\/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/=]+$/.test(value);

function checkedCall(call) {
  if (!isText(call?.id) || !isText(call?.name) || !isText(call?.arguments)) return null;
  return { id: call.id, name: call.name, arguments: call.arguments };
}

function checkedMessage(from, room, depth) {
  if (typeof from !== "object" || from === null || !kRoles.includes(from.role) || room.left-- <= 0) return null;
  const message = { role: from.role, content: isText(from.content) ? from.content : "" };
  for (const key of ["reasoning", "finish", "error", "tool_call_id", "request_id"]) {
    if (isText(from[key])) message[key] = from[key];
  }
  if (Array.isArray(from.pictures)) message.pictures = from.pictures.slice(0, kPicturesMax).filter(isPicture);
  if (Array.isArray(from.calls)) message.calls = from.calls.slice(0, kCallsMax).map(checkedCall).filter(Boolean);
  if (typeof from.facts === "object" && from.facts !== null) {
    message.facts = Object.fromEntries(kFacts.filter((name) => isCount(from.facts[name])).map((name) => [name, from.facts[name]]));
  }
  const fork = checkedFork(from.fork, room, depth);
  if (fork) message.fork = fork;
  return message;
}

const checkedList = (list, room, depth) => list.map((message) => checkedMessage(message, room, depth)).filter(Boolean);

// fork: {mine, tails}: the versions from this message on; the shown one's place holds null.
function checkedFork(fork, room, depth) {
  if (depth >= kDepthMax || !Array.isArray(fork?.tails) || !Number.isInteger(fork.mine)) return null;
  if (fork.tails.length < 2 || fork.tails.length > kVersionsMax || fork.tails[fork.mine] !== null) return null;
  const tails = fork.tails.map((tail, i) => (i === fork.mine ? null : checkedList(Array.isArray(tail) ? tail : [], room, depth + 1)));
  return tails.every((tail, i) => i === fork.mine || tail.length) ? { mine: fork.mine, tails } : null;
}

// What was stored or imported, reduced to what the page knows; null when it is no conversation.
function checked(from) {
  if (typeof from !== "object" || from === null || !Array.isArray(from.messages)) return null;
  const conversation = newConversation();
  if (isText(from.id)) conversation.id = from.id.slice(0, 64);
  if (isText(from.title)) conversation.title = from.title.slice(0, 120);
  if (Number.isFinite(from.created)) conversation.created = from.created;
  const settings = from.settings ?? {};
  for (const key of ["system", "tools", "formText"]) if (isText(settings[key])) conversation.settings[key] = settings[key];
  if (kForms.some(([form]) => form === settings.form)) conversation.settings.form = settings.form;
  conversation.settings.logprobs = settings.logprobs === true;
  for (const name of kNames) {
    const value = Object.hasOwn(settings.sampling ?? {}, name) ? settings.sampling[name] : undefined;
    if (isText(value) && value.length < 400) conversation.settings.sampling[name] = value;
  }
  conversation.messages = checkedList(from.messages, { left: kMessagesMax }, 0);
  return conversation;
}

// Leaves the first `at` messages, keeps what followed as another version, and shows `next` instead.
export function branch(messages, at, next) {
  const tail = messages.splice(at);
  const fork = tail[0]?.fork ?? { mine: 0, tails: [null] };
  if (tail.length) {
    delete tail[0].fork;
    fork.tails[fork.mine] = tail;
    fork.mine = fork.tails.push(null) - 1;
    if (fork.tails.length > kVersionsMax) {
      fork.tails.shift();
      fork.mine--;
    }
    next.fork = fork;
  }
  messages.push(next);
}

// Shows the version `index` from the message at `at` on.
export function turn(messages, at, index) {
  const { fork } = messages[at];
  const tail = messages.splice(at);
  delete tail[0].fork;
  fork.tails[fork.mine] = tail;
  const shown = fork.tails[index];
  fork.tails[index] = null;
  fork.mine = index;
  shown[0].fork = fork;
  messages.push(...shown);
}

export function toJson(conversations) {
  return JSON.stringify({ format: "quire conversations 1", conversations }, (key, value) => (key === "busy" ? undefined : value), 1);
}

const kHeads = { user: "User", assistant: "Assistant", tool: "Tool", system: "System" };
// A fence longer than any in the text.
function fence(text) {
  let ticks = "```";
  while (text.includes(ticks)) ticks += "`";
  return ticks;
}

export function toMarkdown(conversation) {
  const parts = [`# ${conversation.title.replace(/\n/g, " ")}`];
  if (conversation.settings.system) parts.push("## System", conversation.settings.system);
  for (const message of conversation.messages) {
    parts.push(`## ${kHeads[message.role]}${message.tool_call_id ? ` ${message.tool_call_id}` : ""}`);
    if (message.reasoning) {
      const ticks = fence(message.reasoning);
      parts.push(`${ticks}reasoning\n${message.reasoning}\n${ticks}`);
    }
    for (const call of message.calls ?? []) {
      const source = JSON.stringify({ id: call.id, name: call.name, arguments: call.arguments });
      const ticks = fence(source);
      parts.push(`${ticks}tool-call\n${source}\n${ticks}`);
    }
    if (message.content) parts.push(message.content);
  }
  return parts.join("\n\n") + "\n";
}

function takeFenced(text, name, take) {
  const pattern = new RegExp("^(`{3,})" + name + "\\n([\\s\\S]*?)\\n\\1(?:\\n+|$)");
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    take(match[2]);
    text = text.slice(match[0].length);
  }
  return text;
}

function fromMarkdown(text) {
  const raw = { title: /^# (.*)/.exec(text)?.[1] ?? "Imported", settings: {}, messages: [] };
  const parts = text.split(/^## (User|Assistant|Tool|System)(?: ([\w.:-]+))?[ \t]*\n/m);
  for (let i = 1; i + 2 < parts.length; i += 3) {
    const role = parts[i].toLowerCase();
    const message = { role, calls: [] };
    if (parts[i + 1]) message.tool_call_id = parts[i + 1];
    let body = parts[i + 2].trim();
    body = takeFenced(body, "reasoning", (inner) => { message.reasoning = inner; });
    body = takeFenced(body, "tool-call", (inner) => {
      try { message.calls.push(JSON.parse(inner)); } catch { /* not ours: dropped */ }
    });
    if (!message.calls.length) delete message.calls;
    message.content = body;
    if (role === "system" && !raw.messages.length) raw.settings.system = body;
    else raw.messages.push(message);
  }
  return raw.messages.length ? [raw] : [];
}

// The conversations in a file; throws with what is wrong.
export async function fromFile(file) {
  if (file.size > kImportBytesMax) throw new Error(`${file.name} has ${file.size} bytes, the limit is ${kImportBytesMax}`);
  const text = await file.text();
  let raw;
  try {
    const body = JSON.parse(text);
    raw = Array.isArray(body) ? body : body?.conversations ?? [body];
  } catch {
    raw = fromMarkdown(text);
  }
  const found = (Array.isArray(raw) ? raw : []).map(checked).filter(Boolean);
  if (!found.length) throw new Error(`${file.name} holds no conversation`);
  for (const conversation of found) conversation.id = newId();
  return found;
}
