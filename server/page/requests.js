// The table of requests: state, tokens, a timeline, and a button to cancel.
import { request as ask } from "./api.js";
import { ownRequests } from "./chat.js";
import { $, announce, el, notice, number } from "./dom.js";

const kWindowMs = 20000;
const kRowsMax = 100;
const kWords = { waiting: "waiting", prefill: "reading prompt", decode: "generating" };
const rows = new Map();  // sequence -> the row's parts

async function cancel(sequence, id, button) {
  button.disabled = true;
  try {
    await ask(`v1/requests/${encodeURIComponent(id)}`, { method: "DELETE" });
    announce(`Request ${id} was cancelled.`);
  } catch (error) {
    button.disabled = false;
    notice(`Request ${id} was not cancelled: ${error.message}`);
  }
}

function makeRow(sequence, lit) {
  const name = el("span", { class: "name mono" });
  const parts = { name, state: el("td"), prompt: el("td", { class: "num" }), output: el("td", { class: "num" }),
    bars: ["wait", "prefill", "decode"].map((part) => el("i", { class: `t-${part}` })) };
  parts.button = el("button", { type: "button", text: "Cancel" });
  parts.button.addEventListener("click", () => cancel(sequence, parts.id, parts.button));
  parts.root = el("tr", {}, el("td", {}, name), parts.state, parts.prompt, parts.output,
    el("td", { class: "line" }, el("div", { class: "track" }, ...parts.bars)), el("td", {}, parts.button));
  parts.root.addEventListener("mouseenter", () => lit(sequence));
  parts.root.addEventListener("mouseleave", () => lit(null));
  parts.button.addEventListener("focus", () => lit(sequence));
  parts.button.addEventListener("blur", () => lit(null));
  return parts;
}

const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };

// Waiting, prefill and decode on the axis of the last seconds.
function setBars(bars, it, now) {
  const end = it.finished ?? now;
  const edges = [it.arrival, it.first_scheduled ?? end, it.first_token ?? end, end];
  const place = (time) => Math.min(100, Math.max(0, 100 * (1 - (now - time) / kWindowMs)));
  bars.forEach((bar, i) => {
    const left = place(edges[i]), right = place(edges[i + 1]);
    bar.style.left = `${left}%`;
    bar.style.width = `${Math.max(0, right - left)}%`;
  });
}

function fillRow(parts, it, id, now) {
  parts.id = id;
  const own = ownRequests.has(id);
  setText(parts.name, `${own ? "\u2605 " : ""}${id || `#${it.sequence}`}${it.choice ? ` (${it.choice})` : ""}`);
  parts.name.title = own ? `${id}: of this page` : id;
  const stopped = it.preemptions ? `, stopped ${it.preemptions}\u00d7` : "";
  setText(parts.state, (it.finish ? `ended: ${it.finish}` : kWords[it.phase]) + stopped);
  setText(parts.prompt, `${it.phase === "prefill" ? `${number(Math.min(it.computed_tokens, it.prompt_tokens))} of ` : ""}${number(it.prompt_tokens)}`
    + ` (${number(it.cached_tokens)})`);
  setText(parts.output, `${number(it.output_tokens)}${it.max_tokens && it.max_tokens < 100000 ? ` / ${number(it.max_tokens)}` : ""}`);
  parts.root.classList.toggle("ended", Boolean(it.finish));
  parts.button.hidden = Boolean(it.finish) || !id;
  parts.button.setAttribute("aria-label", `Cancel request ${id}`);
  setBars(parts.bars, it, now);
}

const kOrder = { decode: 0, prefill: 1, waiting: 2 };

export function drawRequests(live, lit) {
  const { snapshot } = live;
  const ended = live.finished.filter((it) => snapshot.now - it.finished < kWindowMs).reverse();
  const current = [...snapshot.requests].sort((a, b) => kOrder[a.phase] - kOrder[b.phase] || a.sequence - b.sequence);
  const list = [...current, ...ended].slice(0, kRowsMax);
  const wanted = new Set(list.map((it) => it.sequence));
  for (const [sequence, parts] of rows) {
    if (wanted.has(sequence)) continue;
    parts.root.remove();
    rows.delete(sequence);
  }
  let before = null;
  for (const it of list) {
    if (!rows.has(it.sequence)) rows.set(it.sequence, makeRow(it.sequence, lit));
    const parts = rows.get(it.sequence);
    fillRow(parts, it, live.names.get(it.sequence) ?? "", snapshot.now);
    // Moved only when it must be: a moved row would lose the focus of its button.
    const after = before ? before.nextSibling : $("request-rows").firstChild;
    if (after !== parts.root) $("request-rows").insertBefore(parts.root, after);
    before = parts.root;
  }
  const hidden = snapshot.requests_total - current.length;
  $("request-note").textContent = list.length === 0 ? "Nobody asks for anything right now."
    : hidden > 0 ? `${hidden} more are not shown.` : "";
}

export function light(sequence) {
  for (const [key, parts] of rows) parts.root.classList.toggle("lit", key === sequence);
}
