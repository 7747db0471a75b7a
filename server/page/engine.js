// The engine's view: watches while it is visible and hands each snapshot to the pictures.
import { drawBatch, setUpBatch } from "./batch.js";
import { drawBandwidth, drawDrafts, drawHits, drawSteps, setUpCharts } from "./charts.js";
import { $, el, number, refill } from "./dom.js";
import { Live, stepMs } from "./live.js";
import { drawPages } from "./pagemap.js";
import { drawRequests, light } from "./requests.js";
import { drawTree } from "./tree.js";

let live = null;
let lit = null;  // sequence whose pages are outlined

function tiles() {
  const { snapshot, steps, rates } = live;
  const cache = snapshot.cache;
  const last = steps.slice(-40).map(stepMs).sort((a, b) => a - b);
  const middle = last.length ? last[Math.floor(last.length / 2)] : 0;
  const held = Math.max(0, ...cache.groups.map((group) => group.referenced / Math.max(1, group.total)));
  const proposed = snapshot.drafts.proposed.reduce((a, b) => a + b, 0);
  const accepted = snapshot.drafts.accepted.reduce((a, b) => a + b, 0);
  const share = (part, whole) => (whole ? `${(100 * part / whole).toFixed(0)} %` : "-");
  const list = [["Running", number(snapshot.running), `of ${snapshot.model.max_num_seqs}`], ["Waiting", number(snapshot.waiting), ""],
    ["Generated", number(rates.generation), "tokens/s"], ["Prompts", number(rates.prompt), "tokens/s"],
    ["Step, median", middle ? middle.toFixed(middle < 10 ? 2 : 1) : "-", "ms"], ["KV pages held", `${(100 * held).toFixed(1)} %`, ""],
    ["Prefix hits", share(cache.hit_tokens, cache.query_tokens), "of prompts"], ["Guesses right", share(accepted, proposed), ""]];
  refill($("tiles"), ...list.map(([name, value, unit]) => el("div", {}, el("dt", { text: name }),
    el("dd", {}, value, " ", el("small", { text: unit })))));
}

const litPages = () => live.snapshot.requests.find((it) => it.sequence === lit)?.pages ?? [];

function setLit(sequence) {
  if (sequence === lit) return;
  lit = sequence;
  light(sequence);
  if (live?.snapshot) drawPages(live, litPages());
}

function draw() {
  if (!live.snapshot) return;
  tiles();
  $("page-tokens").textContent = String(live.snapshot.model.page_tokens);
  drawBatch(live);
  drawRequests(live, setLit);
  drawPages(live, litPages());
  drawTree(live);
  drawSteps(live);
  drawBandwidth(live);
  drawHits(live);
  drawDrafts(live);
}

// Nothing is asked of the engine while nobody sees the pictures.
export function watch(visible) {
  if (visible && !document.hidden) live.start();
  else if (live.controller) live.stop();
}

export function setUpEngine(isVisible) {
  live = new Live(draw, (text) => {
    if ($("engine-state").textContent !== text) $("engine-state").textContent = text;
  });
  setUpBatch(setLit);
  setUpCharts();
  document.addEventListener("visibilitychange", () => watch(isVisible()));
  window.addEventListener("resize", () => requestAnimationFrame(draw));
  window.addEventListener("quire-theme", draw);
}
