// The workbench: one prompt as it is, its continuation as tokens, and two settings side by side.
import { events, request } from "./api.js";
import { ownRequests, takeFacts } from "./chat.js";
import { curl } from "./curl.js";
import { $, announce, el, paced } from "./dom.js";
import { factLine } from "./message.js";
import { samplingFields, samplingInputs } from "./sampling.js";
import { copyButton, growText, isText, plain } from "./text.js";
import { fromCompletion, fromLogprobs, tokenView } from "./tokens.js";

const kKept = "quire.workbench";
const kTop = 5;
const kModes = ["text", "fill", "chat"];
const kPlaceholders = { text: "Once upon a time", fill: "What stands before the gap", chat: "A message to the model" };
let capabilities = [];
let sides = [];
let controller = null;

// One column: settings, and what they brought.
class Side {
  constructor(letter, number) {
    this.letter = letter;
    this.sampling = samplingInputs(`side-${number}`, true);
    this.system = el("textarea", { id: `side-${number}-system`, rows: 2 });
    this.systemRoot = el("div", {}, el("label", { for: this.system.id, text: "System prompt" }), this.system);
    this.output = el("div", { class: "reply", tabindex: "0", role: "region", "aria-label": `Answer ${letter}`, dir: "auto" });
    this.facts = el("span", { class: "facts" });
    this.error = el("p", { class: "error", role: "alert" });
    this.title = el("h3", { text: `Settings ${letter}` });
    const copies = el("div", { class: "tools-row" }, copyButton(() => this.text), copyButton(() => curl(...this.asked()),
      { text: "curl", "aria-label": "curl: copy the request as a command" }), this.facts);
    this.fold = el("details", { open: true }, el("summary", { text: "Sampling" }), this.systemRoot, this.sampling.root);
    this.root = el("section", { class: "side", "aria-label": `Settings ${letter}` }, this.title, this.fold, this.output, copies, this.error);
    this.text = "";
    this.clear();
  }

  clear() {
    Object.assign(this, { text: "", shown: "", told: { facts: {} }, tokens: [], view: null });
    this.output.replaceChildren();
    this.facts.textContent = "";
    this.error.textContent = "";
  }

  // Path and body of the request.
  asked() {
    const fields = { ...samplingFields(this.sampling.read()), stream: true, stream_options: { include_usage: true } };
    const prompt = $("bench-prompt").value;
    const probabilities = $("bench-logprobs").checked;
    if (mode() === "chat") {
      const messages = [{ role: "user", content: prompt }];
      if (this.system.value) messages.unshift({ role: "system", content: this.system.value });
      if (probabilities) Object.assign(fields, { logprobs: true, top_logprobs: kTop });
      return ["v1/chat/completions", { messages, ...fields }];
    }
    if (mode() === "fill") fields.suffix = $("bench-suffix").value;
    if (probabilities) fields.logprobs = kTop;
    return ["v1/completions", { prompt, ...fields }];
  }

  async run(signal) {
    this.clear();
    const began = performance.now();
    const draw = paced(() => this.draw());
    const id = `page-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;
    ownRequests.add(id);
    try {
      const [path, json] = this.asked();
      const response = await request(path, { method: "POST", json, signal, headers: { "X-Request-Id": id } });
      for await (const chunk of events(response)) {
        this.take(chunk, began);
        draw.soon();
      }
      if (!this.told.finish) throw new Error("the connection ended before the answer did");
    } catch (error) {
      if (signal.aborted) this.told.finish = "stopped";
      else this.error.textContent = plain(error.message, 2000);
    }
    draw.stop();
    this.draw();
    this.facts.textContent = factLine(this.told);
  }

  take(chunk, began) {
    if (chunk?.error) throw new Error(plain(chunk.error.message ?? "the server ended the answer", 2000));
    const choice = chunk?.choices?.[0];
    const text = choice?.delta ? choice.delta.content : choice?.text;
    if (isText(text) && text) {
      this.told.facts.first_token_ms ??= performance.now() - began;
      this.text += text;
    }
    const { logprobs } = choice ?? {};
    this.tokens.push(...(logprobs?.content ? fromLogprobs(logprobs.content) : fromCompletion(logprobs)));
    if (isText(choice?.finish_reason)) this.told.finish = choice.finish_reason;
    takeFacts(this.told.facts, chunk ?? {});
  }

  draw() {
    if (!this.tokens.length) {
      growText(this.output, this.shown, this.text);
      this.shown = this.text;
      return;
    }
    if (!this.view) {
      this.view = tokenView();
      this.viewed = 0;
      this.output.replaceChildren(this.view.box);
    }
    this.view.add(this.tokens.slice(this.viewed));
    this.viewed = this.tokens.length;
  }
}

const mode = () => document.querySelector("input[name=bench-mode]:checked")?.value ?? "text";
const compares = () => $("bench-compare").checked;

// How far two answers are equal.
function compare([a, b]) {
  if (!compares() || (!a.text && !b.text)) return "";
  if (a.text === b.text) return "Both answers are the same, byte for byte.";
  let same = 0;
  while (same < a.text.length && a.text[same] === b.text[same]) same++;
  return same ? `The answers are the same for ${same} characters, then they differ.` : "The answers differ from the first character on.";
}

function keep() {
  const kept = { mode: mode(), prompt: $("bench-prompt").value, suffix: $("bench-suffix").value, logprobs: $("bench-logprobs").checked,
    compare: compares(), sides: sides.map((side) => ({ sampling: side.sampling.read(), system: side.system.value })) };
  try {
    localStorage.setItem(kKept, JSON.stringify(kept));
  } catch { /* no room left: it is not kept */ }
}

function restore() {
  let kept = null;
  try {
    kept = JSON.parse(localStorage.getItem(kKept) ?? "null");
  } catch { /* not ours: as new */ }
  $("bench-prompt").value = isText(kept?.prompt) ? kept.prompt : "";
  $("bench-suffix").value = isText(kept?.suffix) ? kept.suffix : "";
  $("bench-logprobs").checked = kept?.logprobs !== false;
  $("bench-compare").checked = kept?.compare === true;
  const wanted = kModes.includes(kept?.mode) ? kept.mode : "text";
  $(`bench-${wanted}`).checked = true;
  sides.forEach((side, i) => {
    const own = kept?.sides?.[i] ?? {};
    side.sampling.write(own.sampling ?? (i === 0 ? { max_tokens: "64", seed: "1" } : { max_tokens: "64", seed: "1", temperature: "1" }));
    side.system.value = isText(own.system) ? own.system : "";
  });
}

function arrange() {
  const is = mode();
  $("bench-suffix-row").hidden = is !== "fill";
  $("bench-prompt").placeholder = kPlaceholders[is];
  $("bench-prompt-label").textContent = is === "chat" ? "Message" : is === "fill" ? "Before the gap" : "Prompt";
  sides[1].root.hidden = !compares();
  for (const side of sides) {
    side.systemRoot.hidden = is !== "chat";
    side.title.textContent = compares() ? `Settings ${side.letter}` : "Settings";
  }
  $("bench-sides").classList.toggle("two", compares());
}

async function run() {
  if (controller || !$("bench-prompt").value) return;
  keep();
  const own = new AbortController();
  controller = own;
  const active = sides.slice(0, compares() ? 2 : 1);
  $("bench-run").disabled = true;
  $("bench-stop").hidden = false;
  $("bench-result").textContent = "";
  announce("The model is answering.");
  await Promise.all(active.map((side) => side.run(own.signal)));
  controller = null;
  $("bench-run").disabled = false;
  $("bench-stop").hidden = true;
  $("bench-result").textContent = active.length > 1 ? compare(active) : "";
  announce($("bench-result").textContent || `Done: ${plain(active[0].text, 400)}`);
}

// What the model can do decides which modes are offered.
export function setBenchCapabilities(names) {
  capabilities = names;
  const can = { fill: capabilities.includes("insert"), chat: !capabilities.includes("completion") || capabilities.includes("chat") };
  for (const name of ["fill", "chat"]) {
    $(`bench-${name}`).disabled = !can[name];
    $(`bench-${name}-no`).hidden = can[name];
  }
  if (can[mode()] === false) $("bench-text").checked = true;
  arrange();
}

export function setUpWorkbench() {
  sides = [new Side("A", 0), new Side("B", 1)];
  if (matchMedia("(max-width: 760px)").matches) for (const side of sides) side.fold.open = false;
  $("bench-sides").append(...sides.map((side) => side.root));
  restore();
  arrange();
  $("bench-form").addEventListener("change", () => { arrange(); keep(); });
  $("bench-form").addEventListener("submit", (event) => { event.preventDefault(); run(); });
  $("bench-prompt").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
  });
  $("bench-stop").addEventListener("click", () => controller?.abort());
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && controller && !document.querySelector("dialog[open]")) controller.abort();
  });
}
