// The table of requests: state, tokens, a timeline, and a button to cancel.
import { request as ask } from "./api.js";
import { ownRequests } from "./chat.js";
import { $, announce, el, notice, number } from "./dom.js";
import { plain } from "./text.js";

const kWindowsMs = [5000, 10000, 20000, 60000, 120000, 300000];
const kCalmMs = 3000;  // a shorter window is taken after it was enough for so long
const kRowsMax = 100;
const kEndedMax = 30;
const kMarksMax = 60;
const kWords = { waiting: "waiting", prefill: "reading prompt", decode: "generating" };
let windowMs = 20000;
let enoughSince = 0;
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
  // A narrow screen shows the rows as blocks: the roles keep them a table for those who hear it.
  const cell = (name, ...children) => el("td", { role: "cell", class: name }, ...children);
  const parts = { name, state: cell("state"), prompt: cell("num prompt"), output: cell("num output"),
    bars: ["wait", "prefill", "decode"].map((part) => el("i", { class: `t-${part}` })), marks: [] };
  parts.button = el("button", { type: "button", text: "Cancel" });
  parts.button.addEventListener("click", () => cancel(sequence, parts.id, parts.button));
  parts.track = el("div", { class: "track", role: "img" }, ...parts.bars);
  parts.root = el("tr", { role: "row" }, cell("who", name), parts.state, parts.prompt, parts.output, cell("line", parts.track),
    cell("act", parts.button));
  parts.root.addEventListener("mouseenter", () => lit(sequence));
  parts.root.addEventListener("mouseleave", () => lit(null));
  parts.button.addEventListener("focus", () => lit(sequence));
  parts.button.addEventListener("blur", () => lit(null));
  return parts;
}

const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };

const place = (time, now) => Math.min(100, Math.max(0, 100 * (1 - (now - time) / windowMs)));

function setBar(bar, begin, end, now) {
  const left = place(begin, now), right = place(end, now);
  bar.style.left = `${left}%`;
  bar.style.width = `${Math.max(0, right - left)}%`;
}

// Waiting, prefill and decode on the axis of the last seconds; over them the ends of the prompt's
// pieces, and the pauses.
function setBars(parts, it, history, now) {
  const end = it.finished ?? now;
  const edges = [it.arrival, it.first_scheduled ?? end, it.first_token ?? end, end];
  parts.bars.forEach((bar, i) => setBar(bar, edges[i], edges[i + 1], now));
  const cuts = history ? history.chunks.slice(0, -1).map(([, finish]) => ["t-cut", finish, finish]) : [];
  const pauses = history ? history.pauses.map(([begin, finish]) => ["t-back", begin, finish ?? end]) : [];
  const wanted = [...cuts, ...pauses].filter(([, , finish]) => now - finish < windowMs).slice(0, kMarksMax);
  while (parts.marks.length > wanted.length) parts.marks.pop().remove();
  wanted.forEach(([name, begin, finish], i) => {
    parts.marks[i] ??= parts.track.appendChild(el("i"));
    parts.marks[i].className = name;
    setBar(parts.marks[i], begin, finish, now);
  });
  parts.track.setAttribute("aria-label", timesOf(it, edges, history));
}

function timesOf(it, edges, history) {
  const seconds = (i) => ((edges[i + 1] - edges[i]) / 1000).toFixed(2);
  const pieces = history && history.chunks.length > 1 ? ` in ${history.chunks.length} pieces` : "";
  return `Waited ${seconds(0)} s, read the prompt for ${seconds(1)} s${pieces}, generated for ${seconds(2)} s`
    + (it.preemptions ? `, was paused ${it.preemptions} times` : "");
}

// The window in which the oldest request fits.
function chooseWindow(current, now) {
  const oldest = Math.max(0, ...current.map((it) => now - it.arrival));
  if (!current.length) return;
  const wanted = kWindowsMs.find((size) => size >= 1.1 * oldest) ?? kWindowsMs.at(-1);
  if (wanted >= windowMs) enoughSince = now;
  if (wanted > windowMs || now - enoughSince > kCalmMs || now < enoughSince) {
    windowMs = wanted;
    enoughSince = now;
  }
  setText($("window-s"), String(windowMs / 1000));
}

function stateOf(it) {
  const paused = it.preemptions ? `, paused ${it.preemptions}\u00d7` : "";
  if (it.finish) return `ended: ${plain(it.finish, 40)}${paused}`;
  return it.phase === "waiting" && it.preemptions ? `paused ${it.preemptions}\u00d7` : kWords[it.phase] + paused;
}

function fillRow(parts, it, live) {
  const { now } = live.snapshot;
  const id = plain(live.names.get(it.sequence) ?? "", 120);
  const own = ownRequests.has(id);
  parts.id = live.names.get(it.sequence) ?? "";
  setText(parts.name, `${own ? "\u2605 " : ""}${id || `#${it.sequence}`}${it.choice ? ` (${it.choice})` : ""}`);
  parts.name.title = own ? `${id}: of this page` : id;
  setText(parts.state, stateOf(it));
  setText(parts.prompt, `${it.phase === "prefill" ? `${number(Math.min(it.computed_tokens, it.prompt_tokens))} of ` : ""}${number(it.prompt_tokens)}`
    + ` (${number(it.cached_tokens)})`);
  setText(parts.output, `${number(it.output_tokens)}${it.max_tokens && it.max_tokens < 100000 ? ` / ${number(it.max_tokens)}` : ""}`);
  parts.root.classList.toggle("ended", Boolean(it.finish));
  parts.button.hidden = Boolean(it.finish) || !id;
  parts.button.setAttribute("aria-label", `Cancel request ${id}`);
  setBars(parts, it, live.histories.get(it.sequence), now);
}

const kOrder = { decode: 0, prefill: 1, waiting: 2 };

export function drawRequests(live, lit) {
  const { snapshot } = live;
  const current = [...snapshot.requests].sort((a, b) => kOrder[a.phase] - kOrder[b.phase] || a.sequence - b.sequence);
  chooseWindow(current, snapshot.now);
  const ended = live.finished.filter((it) => snapshot.now - it.finished < windowMs).reverse().slice(0, kEndedMax);
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
    fillRow(parts, it, live);
    // Moved only when it must be: a moved row would lose the focus of its button.
    const after = before ? before.nextSibling : $("request-rows").firstChild;
    if (after !== parts.root) $("request-rows").insertBefore(parts.root, after);
    before = parts.root;
  }
  const hidden = snapshot.requests_total - current.length;
  const pauses = snapshot.counters.preemptions;
  setText($("request-note"), [list.length === 0 ? "Nobody asks for anything right now." : "", hidden > 0 ? `${number(hidden)} more are not shown.` : "",
    pauses ? `Paused since the start: ${number(pauses)} times.` : ""].filter(Boolean).join(" "));
}

export function light(sequence) {
  for (const [key, parts] of rows) parts.root.classList.toggle("lit", key === sequence);
}
