// Conversations in the browser's storage; export and import.

const kConversations = "quire.conversations";
const kImportBytesMax = 20 << 20;
const kRoles = ["user", "assistant", "tool", "system"];

const newId = () => crypto.getRandomValues(new Uint32Array(2)).join("-");

export const emptySettings = () => ({ system: "", sampling: {}, logprobs: false, tools: "" });

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

const isText = (value) => typeof value === "string";
const isPicture = (value) => isText(value) && /^data:image\/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/=]+$/.test(value);

function checkedMessage(from) {
  if (typeof from !== "object" || from === null || !kRoles.includes(from.role)) return null;
  const message = { role: from.role, content: isText(from.content) ? from.content : "" };
  for (const key of ["reasoning", "finish", "error", "tool_call_id", "request_id"]) {
    if (isText(from[key])) message[key] = from[key];
  }
  if (Array.isArray(from.pictures)) message.pictures = from.pictures.filter(isPicture);
  if (Array.isArray(from.calls)) {
    message.calls = from.calls.filter((call) => isText(call?.id) && isText(call?.name) && isText(call?.arguments))
      .map(({ id, name, arguments: given }) => ({ id, name, arguments: given }));
  }
  if (typeof from.facts === "object" && from.facts !== null) {
    message.facts = Object.fromEntries(Object.entries(from.facts).filter(([, value]) => Number.isFinite(value)));
  }
  return message;
}

// What was stored or imported, reduced to what the page knows; null when it is no conversation.
function checked(from) {
  if (typeof from !== "object" || from === null || !Array.isArray(from.messages)) return null;
  const conversation = newConversation();
  if (isText(from.id)) conversation.id = from.id.slice(0, 64);
  if (isText(from.title)) conversation.title = from.title.slice(0, 120);
  if (Number.isFinite(from.created)) conversation.created = from.created;
  const settings = from.settings ?? {};
  if (isText(settings.system)) conversation.settings.system = settings.system;
  if (isText(settings.tools)) conversation.settings.tools = settings.tools;
  conversation.settings.logprobs = settings.logprobs === true;
  for (const [name, value] of Object.entries(settings.sampling ?? {})) {
    if (isText(value) && value.length < 400) conversation.settings.sampling[name] = value;
  }
  conversation.messages = from.messages.map(checkedMessage).filter(Boolean);
  return conversation;
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
