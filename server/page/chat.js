// The conversation: what is asked of the model and what comes back.
import { events, request } from "./api.js";
import { $, announce, download, el, notice } from "./dom.js";
import { MessageView } from "./message.js";
import { requestFields, setUpSettings, summary } from "./settings.js";
import * as store from "./store.js";
import { fromLogprobs } from "./tokens.js";

const kTitleLength = 48;
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

function listConversations() {
  const item = (conversation) => el("li", {},
    el("button", { type: "button", text: conversation.title, title: conversation.title,
      "aria-current": conversation === current ? "true" : null, on: { click: () => open(conversation) } }),
    el("button", { type: "button", class: "remove", text: "\u00d7", "aria-label": `Remove ${conversation.title}`,
      on: { click: () => remove(conversation) } }));
  $("conversation-list").replaceChildren(...conversations.map(item));
}

function open(conversation) {
  stop();
  current = conversation;
  show();
  listConversations();
  $("settings-summary").textContent = summary(current.settings);
}

function remove(conversation) {
  if (!confirm(`Remove "${conversation.title}"?`)) return;
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

function requestBody() {
  const messages = current.messages.filter((message) => !message.busy && (message.content || message.calls?.length || message.role === "tool"))
    .map(wireMessage);
  if (current.settings.system) messages.unshift({ role: "system", content: current.settings.system });
  return { messages, stream: true, stream_options: { include_usage: true }, ...requestFields(current.settings) };
}

function addCall(message, delta) {
  message.calls ??= [];
  const at = delta.index ?? message.calls.length;
  message.calls[at] ??= { id: "", name: "", arguments: "" };
  const call = message.calls[at];
  if (delta.id) call.id = delta.id;
  if (delta.function?.name) call.name += delta.function.name;
  if (delta.function?.arguments) call.arguments += delta.function.arguments;
}

function take(message, chunk, began) {
  if (chunk.error) throw new Error(chunk.error.message ?? "the server ended the answer");
  const choice = chunk.choices?.[0];
  const delta = choice?.delta ?? {};
  message.facts ??= {};
  const reasoning = delta.reasoning_content ?? delta.reasoning;
  if (!message.facts.first_token_ms && (delta.content || reasoning || delta.tool_calls)) message.facts.first_token_ms = performance.now() - began;
  if (delta.content) message.content += delta.content;
  if (reasoning) message.reasoning = (message.reasoning ?? "") + reasoning;
  for (const call of delta.tool_calls ?? []) addCall(message, call);
  if (choice?.logprobs?.content) (message.tokens ??= []).push(...fromLogprobs(choice.logprobs.content));
  if (choice?.finish_reason) message.finish = choice.finish_reason;
  if (chunk.usage) {
    message.facts.prompt_tokens = chunk.usage.prompt_tokens;
    message.facts.completion_tokens = chunk.usage.completion_tokens;
    message.facts.cached_tokens = chunk.usage.prompt_tokens_details?.cached_tokens ?? 0;
  }
  const rate = chunk.timings?.predicted_per_second;
  if (rate) message.facts.tokens_per_second = rate;
}

async function receive(message, view, signal) {
  const began = performance.now();
  let drawn = 0;
  const draw = () => {
    drawn = 0;
    const follow = nearEnd();
    view.refresh();
    if (follow) $("thread").scrollTop = $("thread").scrollHeight;
  };
  const id = `page-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
  ownRequests.add(id);
  const response = await request("v1/chat/completions", { method: "POST", json: requestBody(), signal, headers: { "X-Request-Id": id } });
  message.request_id = response.headers.get("x-request-id") ?? id;
  ownRequests.add(message.request_id);
  for await (const chunk of events(response)) {
    take(message, chunk, began);
    if (!drawn) drawn = requestAnimationFrame(draw);
  }
  cancelAnimationFrame(drawn);
  if (!message.finish) throw new Error("the connection ended before the answer did");
}

async function ask() {
  const owner = current;
  const controller = new AbortController();
  running = controller;
  const message = { role: "assistant", content: "", busy: true };
  const view = append(message);
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
  announce(message.error ? `Failed: ${message.error}` : `Answer complete: ${message.content.slice(0, 400)}`);
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

// Everything from the message on is dropped, then it is asked anew.
function cutBefore(message) {
  stop();
  current.messages.length = Math.max(0, current.messages.indexOf(message));
  show();
}

function resend(message, text) {
  if (!text.trim()) return;
  cutBefore(message);
  if (!current.messages.length) current.title = text.trim().replace(/\s+/g, " ").slice(0, kTitleLength);
  append({ role: "user", content: text, ...(message.pictures ? { pictures: message.pictures } : {}) });
  persist();
  ask();
}

function regenerate(message) {
  cutBefore(message);
  ask();
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
