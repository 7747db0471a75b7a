// One message of the thread: who, what, and what can be done with it.
import { el } from "./dom.js";
import { update } from "./markdown.js";
import { addText, copyButton, growText, plain } from "./text.js";
import { tokenView } from "./tokens.js";

const kNames = { user: "You", assistant: "Model", tool: "Tool result", system: "System" };
const kOpen = "<think>", kClose = "</think>";

// The thinking that a model writes into its answer, where the server does not split it off.
export function splitReasoning(message) {
  const text = message.content;
  if (message.reasoning || !text.trimStart().startsWith(kOpen)) return [message.reasoning ?? "", text];
  const begin = text.indexOf(kOpen) + kOpen.length;
  const end = text.indexOf(kClose, begin);
  return end < 0 ? [text.slice(begin), ""] : [text.slice(begin, end), text.slice(end + kClose.length).replace(/^\s+/, "")];
}

export function factLine({ facts = {}, finish }) {
  const parts = [];
  if (facts.completion_tokens) parts.push(`${facts.completion_tokens} tokens`);
  if (facts.tokens_per_second) parts.push(`${facts.tokens_per_second.toFixed(1)} tokens/s`);
  if (facts.first_token_ms) parts.push(`first after ${(facts.first_token_ms / 1000).toFixed(2)} s`);
  if (facts.prompt_tokens) parts.push(`prompt ${facts.prompt_tokens}${facts.cached_tokens ? ` (${facts.cached_tokens} cached)` : ""}`);
  if (finish && finish !== "stop") parts.push(finish === "length" ? "cut at the length limit" : `ended: ${plain(finish, 60)}`);
  return parts.join(" \u00b7 ");
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

// A call that the model wants, with room for its result until one was given.
function callCard(call, result, give) {
  const shown = el("pre", { class: "mono" });
  addText(shown, pretty(call.arguments));
  const name = el("b", { class: "mono" });
  addText(name, call.name);
  const card = el("div", { class: "call", role: "group", "aria-label": "Tool call" }, el("div", {}, "Calls ", name), shown);
  if (result === undefined && give) {
    const field = el("textarea", { rows: 2, "aria-label": `Result of ${plain(call.name, 60)}`, placeholder: "The result, as text or JSON" });
    card.append(field, el("div", { class: "row" }, el("button", { type: "button", class: "give", text: "Give this result",
      on: { click: () => give(call.id, field.value) } })));
  }
  return card;
}

// actions: edit(text), retry(), remove(), give(id, text); they are looked up when they are used.
export class MessageView {
  constructor(message, actions) {
    this.message = message;
    this.actions = actions;
    this.body = el("div", { class: "body", dir: "auto" });
    this.reasoning = el("div", { class: "text", dir: "auto" });
    this.thinking = el("details", { class: "reasoning", hidden: true }, el("summary", { text: "Reasoning" }), this.reasoning);
    this.calls = el("div");
    this.error = el("p", { class: "error" });
    this.facts = el("span", { class: "facts" });
    this.row = el("div", { class: "tools-row" });
    this.root = el("article", { class: `message ${message.role}`, "aria-label": `${kNames[message.role]}` },
      el("header", {}, el("b", { text: kNames[message.role] })), this.pictures(), this.thinking, this.body, this.calls, this.error, this.row);
    this.showsTokens = false;
    this.refresh();
  }

  pictures() {
    const list = this.message.pictures ?? [];
    return list.length ? el("div", { class: "pictures" }, ...list.map((src) => el("img", { src, alt: "Attached image" }))) : null;
  }

  button(text, action, label = text) {
    return el("button", { type: "button", text, "aria-label": label, on: { click: action } });
  }

  refresh() {
    const { message } = this;
    const busy = message.busy === true;
    this.root.classList.toggle("busy", busy);
    this.root.setAttribute("aria-busy", String(busy));
    const [reasoning, text] = message.role === "assistant" ? splitReasoning(message) : ["", message.content];
    this.thinking.hidden = !reasoning;
    if (reasoning !== this.shownReasoning) {
      growText(this.reasoning, (this.shownReasoning ?? "").trimStart(), reasoning.trimStart());
      this.shownReasoning = reasoning;
    }
    this.refreshBody(text);
    this.error.textContent = plain(message.error, 2000);
    this.error.hidden = !message.error;
    if (!busy) this.refreshEnd();
  }

  refreshBody(text) {
    const { message, body } = this;
    if (this.showsTokens && message.tokens) {
      if (!this.tokens) {
        this.tokens = tokenView();
        this.told = 0;
        body.replaceChildren(this.tokens.box);
        body.className = "body";
        body.shown = undefined;
      }
      this.tokens.add(message.tokens.slice(this.told));
      this.told = message.tokens.length;
      return;
    }
    if (this.tokens) {
      this.tokens = null;
      body.replaceChildren();
    }
    if (message.role === "assistant") {
      body.className = "body markdown";
      update(body, text);
    } else {
      body.replaceChildren();
      addText(body, text);
    }
  }

  refreshEnd() {
    const { message, actions } = this;
    const results = actions.results?.() ?? {};
    this.calls.replaceChildren(...(message.calls ?? []).map((call) => callCard(call, results[call.id], actions.give)));
    this.facts.textContent = factLine(message);
    const row = [];
    if (message.fork) row.push(this.versions());
    if (message.role !== "tool") row.push(copyButton(() => message.content));
    if (message.role === "user") row.push(this.button("Edit", () => this.edit()));
    if (message.role === "user") row.push(this.button("Retry", actions.retry, "Retry: send this message again"));
    if (message.role === "assistant") row.push(this.button("Regenerate", actions.retry, "Regenerate this answer"));
    if (message.tokens?.length) {
      row.push(el("button", { type: "button", text: "Tokens", "aria-pressed": String(this.showsTokens), on: { click: () => this.toggle() } }));
    }
    if (message.role === "assistant") row.push(copyButton(actions.curl, { text: "curl", "aria-label": "curl: copy the request as a command" }));
    row.push(this.facts);
    this.row.replaceChildren(...row);
  }

  toggle() {
    this.showsTokens = !this.showsTokens;
    this.refresh();
  }

  // Steps through what was said at this place before it was edited or asked again.
  versions() {
    const { mine, tails } = this.message.fork;
    const go = (to, text, label) => {
      const button = this.button(text, () => this.actions.turn(to), label);
      button.disabled = to < 0 || to >= tails.length;
      return button;
    };
    return el("span", { class: "versions", role: "group", "aria-label": "Versions" }, go(mine - 1, "\u2039", "Previous version"),
      ` ${mine + 1} / ${tails.length} `, go(mine + 1, "\u203a", "Next version"));
  }

  edit() {
    const field = el("textarea", { rows: Math.min(12, 2 + this.message.content.split("\n").length), "aria-label": "Edit the message" });
    field.value = this.message.content;
    const done = () => { this.body.replaceChildren(); addText(this.body, this.message.content); this.refreshEnd(); };
    this.body.replaceChildren(field);
    this.row.replaceChildren(this.button("Send edited", () => this.actions.edit(field.value)), this.button("Cancel", done));
    field.addEventListener("keydown", (event) => { if (event.key === "Escape") done(); });
    field.focus();
  }
}
