// The conversation: what is asked of the model and what comes back.
import { events, request } from "./api.js";
import { $, announce, download, el, notice, paced } from "./dom.js";
import { MessageView } from "./message.js";
import { curl } from "./curl.js";
import { requestFields, setUpSettings, summary } from "./settings.js";
import * as store from "./store.js";
import { isCount, isText, plain } from "./text.js";
import { fromLogprobs } from "./tokens.js";

const kTitleLength = 48;
const kCallsMax = 128;
let conversations = store.load();
let current = conversations[0] ?? store.newConversation();
let views = [];
let running = null;  // AbortController of the answer in progress
let pictures = [];   // attached to the next message, as data: addresses
let takesImages = false;

export const ownRequests = new Set();  // X-Request-Id of what this page asked

function persist() {
  if (current.messages.length && !conversations.includes(current)) conversations.unshift(current);
  if (!store.save(conversations)) notice("The browser has no room left: this conversation is not kept. Export it, or remove others.");
  listConversations();
  $("settings-summary").textContent = summary(current.settings);
}

// All words of the search, in the title or in a message.
function matches(conversation, words) {
  const text = [conversation.title, ...conversation.messages.map((message) => message.content)].join("\n").toLowerCase();
  return words.every((word) => text.includes(word));
}

function listConversations() {
  const item = (conversation) => el("li", {},
    el("button", { type: "button", text: plain(conversation.title, 120), title: plain(conversation.title, 120),
      "aria-current": conversation === current ? "true" : null, on: { click: () => open(conversation) } }),
    el("button", { type: "button", class: "remove", text: "\u00d7", "aria-label": `Remove ${plain(conversation.title, 60)}`,
      on: { click: () => remove(conversation) } }));
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length ? conversations.filter((conversation) => matches(conversation, words)) : conversations;
  $("conversation-list").replaceChildren(...found.map(item));
  $("search").hidden = conversations.length < 2 && !words.length;
  $("search-note").textContent = !words.length ? "" : `${found.length} of ${conversations.length} conversations`;
}

function open(conversation) {
  stop();
  current = conversation;
  show();
  listConversations();
  $("settings-summary").textContent = summary(current.settings);
}

function remove(conversation) {
  if (!confirm(`Remove "${plain(conversation.title, 60)}"?`)) return;
  if (conversation === current) stop();
  conversations = conversations.filter((other) => other !== conversation);
  if (conversation === current) open(conversations[0] ?? store.newConversation(current.settings));
  persist();
}

// --- the thread

function actionsFor(message) {
  return {
    edit: (text) => resend(message, text),
    retry: () => (message.role === "user" ? resend(message, message.content) : regenerate(message)),
    turn: (index) => turnTo(message, index),
    curl: () => curl("v1/chat/completions", requestBody(current.messages.slice(0, current.messages.indexOf(message)))),
    give: (id, text) => giveResult(id, text),
    results: () => Object.fromEntries(current.messages.filter((it) => it.role === "tool").map((it) => [it.tool_call_id, it.content])),
  };
}

function show() {
  views = current.messages.map((message) => new MessageView(message, actionsFor(message)));
  $("thread").replaceChildren(...views.map((view) => view.root));
  if (!views.length) {
    $("thread").append(el("p", { class: "empty", text: "Ask something. The Engine view shows how the answer is made." }));
  }
  $("thread").scrollTop = $("thread").scrollHeight;
}

function append(message) {
  if (!views.length) $("thread").replaceChildren();
  current.messages.push(message);
  const view = new MessageView(message, actionsFor(message));
  views.push(view);
  $("thread").append(view.root);
  $("thread").scrollTop = $("thread").scrollHeight;
  return view;
}

const nearEnd = () => $("thread").scrollHeight - $("thread").scrollTop - $("thread").clientHeight < 80;

// --- asking

function wireMessage(message) {
  if (message.role === "tool") return { role: "tool", tool_call_id: message.tool_call_id, content: message.content };
  if (message.role === "assistant") {
    const out = { role: "assistant", content: message.content };
    if (message.calls?.length) {
      out.tool_calls = message.calls.map((call) => ({ id: call.id, type: "function", function: { name: call.name, arguments: call.arguments } }));
    }
    return out;
  }
  if (!message.pictures?.length) return { role: message.role, content: message.content };
  return { role: message.role, content: [{ type: "text", text: message.content },
    ...message.pictures.map((url) => ({ type: "image_url", image_url: { url } }))] };
}

function requestBody(list) {
  const messages = list.filter((message) => !message.busy && (message.content || message.calls?.length || message.role === "tool"))
    .map(wireMessage);
  if (current.settings.system) messages.unshift({ role: "system", content: current.settings.system });
  return { messages, stream: true, stream_options: { include_usage: true }, ...requestFields(current.settings) };
}

function addCall(message, delta) {
  message.calls ??= [];
  const at = delta?.index ?? message.calls.length;
  if (!Number.isInteger(at) || at < 0 || at > message.calls.length || at >= kCallsMax) {
    throw new Error(`the server sent a tool call with the index ${plain(JSON.stringify(at), 40)}`);
  }
  const call = message.calls[at] ??= { id: "", name: "", arguments: "" };
  if (isText(delta.id) && delta.id) call.id = delta.id;
  if (isText(delta.function?.name)) call.name += delta.function.name;
  if (isText(delta.function?.arguments)) call.arguments += delta.function.arguments;
}

// The numbers of usage and timings, as far as the server tells them.
export function takeFacts(facts, chunk) {
  const { usage, timings } = chunk;
  const told = { prompt_tokens: usage?.prompt_tokens, completion_tokens: usage?.completion_tokens,
    cached_tokens: usage?.prompt_tokens_details?.cached_tokens, tokens_per_second: timings?.predicted_per_second };
  for (const [name, value] of Object.entries(told)) if (isCount(value)) facts[name] = value;
}

function take(message, chunk, began) {
  if (chunk?.error) throw new Error(plain(chunk.error.message ?? "the server ended the answer", 2000));
  const choice = chunk?.choices?.[0];
  const delta = choice?.delta ?? {};
  message.facts ??= {};
  const reasoning = delta.reasoning_content ?? delta.reasoning;
  if (!message.facts.first_token_ms && (delta.content || reasoning || delta.tool_calls)) message.facts.first_token_ms = performance.now() - began;
  if (isText(delta.content)) message.content += delta.content;
  if (isText(reasoning)) message.reasoning = (message.reasoning ?? "") + reasoning;
  for (const call of delta.tool_calls ?? []) addCall(message, call);
  for (const token of fromLogprobs(choice?.logprobs?.content)) (message.tokens ??= []).push(token);
  if (isText(choice?.finish_reason)) message.finish = choice.finish_reason;
  takeFacts(message.facts, chunk ?? {});
}

async function receive(message, view, signal) {
  const began = performance.now();
  const draw = paced(() => {
    const follow = nearEnd();
    view.refresh();
    if (follow) $("thread").scrollTop = $("thread").scrollHeight;
  });
  const id = `page-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
  ownRequests.add(id);
  const json = requestBody(current.messages);
  const response = await request("v1/chat/completions", { method: "POST", json, signal, headers: { "X-Request-Id": id } });
  message.request_id = response.headers.get("x-request-id") ?? id;
  ownRequests.add(message.request_id);
  try {
    for await (const chunk of events(response)) {
      take(message, chunk, began);
      draw.soon();
    }
  } finally {
    draw.stop();
  }
  if (!message.finish) throw new Error("the connection ended before the answer did");
}

// at: the place of an answer that becomes another version.
async function ask(at = current.messages.length) {
  const owner = current;
  const controller = new AbortController();
  running = controller;
  const message = { role: "assistant", content: "", busy: true };
  if (at < current.messages.length) {
    store.branch(current.messages, at, message);
    show();
  } else {
    append(message);
  }
  const view = views.at(-1);
  view.showsTokens = current.settings.logprobs;
  setRunning(true);
  announce("The model is answering.");
  try {
    await receive(message, view, controller.signal);
  } catch (error) {
    if (controller.signal.aborted) message.finish = "stopped";
    else message.error = error.message;
  }
  delete message.busy;
  view.refresh();
  if (running === controller) {
    running = null;
    setRunning(false);
  }
  if (owner === current) persist();
  else store.save(conversations);
  announce(message.error ? `Failed: ${message.error}` : `Answer complete: ${plain(message.content, 400)}`);
}

function setRunning(is) {
  $("stop").hidden = !is;
  $("send").disabled = is;
}

function stop() {
  running?.abort();
}

function send() {
  const text = $("input").value.trim();
  if ((!text && !pictures.length) || running) return;
  if (!current.messages.length && text) current.title = text.replace(/\s+/g, " ").slice(0, kTitleLength);
  append({ role: "user", content: text, ...(pictures.length ? { pictures } : {}) });
  $("input").value = "";
  setPictures([]);
  persist();
  ask();
}

// What stands from the message on becomes another version.
function resend(message, text) {
  if (!text.trim()) return;
  stop();
  const at = current.messages.indexOf(message);
  if (at === 0) current.title = text.trim().replace(/\s+/g, " ").slice(0, kTitleLength);
  store.branch(current.messages, at, { role: "user", content: text, ...(message.pictures ? { pictures: message.pictures } : {}) });
  show();
  persist();
  ask();
}

function regenerate(message) {
  stop();
  ask(current.messages.indexOf(message));
}

function turnTo(message, index) {
  stop();
  store.turn(current.messages, current.messages.indexOf(message), index);
  show();
  persist();
}

// The answer goes on when every call of the last message has its result.
function giveResult(id, text) {
  append({ role: "tool", tool_call_id: id, content: text });
  for (const view of views) view.refresh();
  persist();
  const last = current.messages.findLast((message) => message.calls?.length);
  const given = new Set(current.messages.filter((message) => message.role === "tool").map((message) => message.tool_call_id));
  if (last.calls.every((call) => given.has(call.id))) ask();
}

// --- images

function setPictures(list) {
  pictures = list;
  $("attachments").replaceChildren(...list.map((src, i) => el("span", {}, el("img", { src, alt: `Attached image ${i + 1}` }),
    el("button", { type: "button", text: "\u00d7", "aria-label": `Remove image ${i + 1}`,
      on: { click: () => setPictures(pictures.filter((other) => other !== src)) } }))));
}

async function attach(files) {
  for (const file of files) {
    if (!takesImages || !/^image\/(png|jpeg|webp|gif)$/.test(file.type)) continue;
    const reader = new FileReader();
    await new Promise((resolve) => { reader.onload = resolve; reader.readAsDataURL(file); });
    setPictures([...pictures, reader.result]);
  }
}

// capabilities: of the model in /v1/models.
export function setCapabilities(capabilities) {
  takesImages = capabilities.some((name) => /^(vision|image|multimodal)$/.test(name));
  $("attach").hidden = !takesImages;
  // Servers that tell nothing of chats are asked all the same.
  const chats = !capabilities.includes("completion") || capabilities.includes("chat");
  $("no-chat").hidden = chats;
  for (const id of ["input", "send"]) $(id).disabled = !chats;
  return chats;
}

// --- files

function fileName(extension) {
  return `${current.title.replace(/[^\w-]+/g, "-").slice(0, 40) || "conversation"}.${extension}`;
}

async function importFiles(files) {
  try {
    for (const file of files) conversations.unshift(...await store.fromFile(file));
    open(conversations[0]);
    persist();
    notice("");
  } catch (error) {
    notice(error.message);
  }
}

export function setUpChat() {
  setUpSettings(() => current.settings, persist);
  $("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
  $("input").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  $("input").addEventListener("paste", (event) => attach([...event.clipboardData.files]));
  $("stop").addEventListener("click", stop);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && running && !document.querySelector("dialog[open]")) stop();
  });
  $("search").addEventListener("input", listConversations);
  $("new-chat").addEventListener("click", () => { open(store.newConversation(current.settings)); $("input").focus(); });
  $("export-json").addEventListener("click", () => download("quire-conversations.json", "application/json",
    store.toJson(conversations.length ? conversations : [current])));
  $("export-md").addEventListener("click", () => download(fileName("md"), "text/markdown", store.toMarkdown(current)));
  for (const [button, input, f] of [["import-open", "import-file", importFiles], ["attach", "attach-file", attach]]) {
    $(button).addEventListener("click", () => $(input).click());
    $(input).addEventListener("change", () => { f([...$(input).files]); $(input).value = ""; });
  }
  if (matchMedia("(max-width: 760px)").matches) $("conversations-fold").open = false;
  show();
  listConversations();
  $("settings-summary").textContent = summary(current.settings);
}
