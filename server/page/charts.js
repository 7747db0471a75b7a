// Step times and bandwidth over the last steps, and bars of shares.
import { $, colour, el, hideTip, number, prepare, showTip } from "./dom.js";
import { stepMs } from "./live.js";

export const kParts = ["schedule", "forward", "sample", "commit", "emit"];
const kPartWords = ["plan the step", "run the model", "draw and verify tokens", "detokenize and publish pages", "send, and guess ahead"];
const kBar = 4;
const kHeight = 130;
const kLeft = 40;
const kTop = 18;

const median = (values) => (values.length ? [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] : 0);
const round = (value) => (value >= 100 ? Math.round(value) : value >= 10 ? value.toFixed(1) : value.toFixed(2));

function niceCeiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1e-6)));
  return [1, 2, 5, 10].map((m) => m * power).find((nice) => nice >= value);
}

function frame(canvas, top, unit, limit) {
  const { context, width } = prepare(canvas, kHeight);
  const y = (value) => kHeight - 4 - (kHeight - kTop - 4) * (value / top);
  context.font = "10px system-ui";
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const share of [0, 0.5, 1]) {
    context.fillStyle = colour("line");
    context.fillRect(kLeft, y(top * share), width - kLeft, 1);
    context.fillStyle = colour("soft");
    context.fillText(String(Number(round(top * share))), kLeft - 4, y(top * share));
  }
  context.fillText(unit, kLeft - 4, 6);
  if (limit > 0 && limit <= top) {
    context.strokeStyle = colour("hot");
    context.setLineDash([5, 4]);
    context.beginPath();
    context.moveTo(kLeft, y(limit));
    context.lineTo(width, y(limit));
    context.stroke();
    context.setLineDash([]);
  }
  return { context, width, y };
}

const shownSteps = (canvas, live) => live.steps.slice(-Math.max(1, Math.floor(((canvas.clientWidth || 400) - kLeft) / kBar)));
const shown = new Map();  // canvas -> steps

export function drawSteps(live) {
  const canvas = $("steps");
  const steps = shownSteps(canvas, live);
  shown.set(canvas, steps);
  const target = steps.findLast((step) => step.prefill > 0)?.target ?? 0;
  const times = steps.map(stepMs).sort((a, b) => a - b);
  const highest = Math.max(0.5, times.at(-1) ?? 0);
  // A few steps far above the others are cut, or they would flatten all.
  const usual = Math.max(0.5, 1.5 * (times[Math.floor(0.95 * (times.length - 1))] ?? 0));
  const shownMax = highest > 3 * usual ? usual : highest;
  const top = niceCeiling(shownMax > target / 3 ? Math.max(shownMax, target) : shownMax);
  const { context, y } = frame(canvas, top, "ms", target);
  const colours = kParts.map((_, i) => colour(`s${i}`));
  steps.forEach((step, i) => {
    let sum = 0;
    step.ms.forEach((part, k) => {
      context.fillStyle = colours[k];
      const low = Math.min(sum, top), high = Math.min(sum + part, top);
      context.fillRect(kLeft + i * kBar, y(high), kBar - 1, y(low) - y(high));
      sum += part;
    });
    if (sum <= top) return;
    context.fillStyle = colour("hot");
    context.fillRect(kLeft + i * kBar, y(top) - 3, kBar - 1, 3);
  });
  const last = steps.slice(-60);
  const sums = kParts.map((_, k) => last.reduce((sum, step) => sum + step.ms[k], 0));
  const total = sums.reduce((a, b) => a + b, 0) || 1;
  $("steps-note").textContent = last.length === 0 ? "No step yet." : `Median of the last ${last.length} steps: ${round(median(last.map(stepMs)))} ms; `
    + kParts.map((name, k) => `${name} ${Math.round(100 * sums[k] / total)} %`).join(", ")
    + `.${target ? ` Target with prompts: ${round(target)} ms.` : ""}`
    + (highest > top ? ` Bars with a red head are cut; the longest step took ${round(highest)} ms.` : "");
  canvas.setAttribute("aria-label", $("steps-note").textContent);
}

export function drawBandwidth(live) {
  const canvas = $("bandwidth");
  const steps = shownSteps(canvas, live);
  shown.set(canvas, steps);
  const limit = live.snapshot.model.memory_gbps;
  const decodes = steps.filter((step) => step.prefill === 0);
  const top = niceCeiling(Math.max(limit, ...steps.map((step) => step.gbps), 1));
  const { context, y } = frame(canvas, top, "GB/s", limit);
  steps.forEach((step, i) => {
    context.fillStyle = colour(step.prefill > 0 ? "prefill" : "decode");
    context.fillRect(kLeft + i * kBar, y(step.gbps), kBar - 1, kHeight - 4 - y(step.gbps));
  });
  const middle = median(decodes.slice(-60).map((step) => step.gbps));
  const weights = live.snapshot.model.weight_bytes / 2 ** 20;
  $("bandwidth-note").textContent = steps.length === 0 ? `No step yet. The limit is ${round(limit)} GB/s.`
    : `Generating steps: ${round(middle)} of ${round(limit)} GB/s (${Math.round(100 * middle / Math.max(limit, 1e-9))} %). `
      + "Steps that read prompts (orange) compute more for each byte."
      + (weights < 64 ? ` The ${round(weights)} MiB of weights may stay in the processor's cache and pass the limit.` : "");
  canvas.setAttribute("aria-label", $("bandwidth-note").textContent);
}

const kReasons = [["hit", "found", "their pages were there: not computed again"], ["cold", "never seen", "the first time for this text"],
  ["evicted", "evicted", "was cached, but the room was needed"], ["state", "no state", "no snapshot of the recurrent state at a useful position"],
  ["window", "behind the window", "pages that a sliding window had given up"]];

export function drawHits(live) {
  const { query_tokens: queries, hit_tokens: hits, miss_tokens: misses } = live.snapshot.cache;
  const values = { hit: hits, ...misses };
  const all = Math.max(1, queries);
  const used = kReasons.filter(([name]) => name === "hit" || values[name] > 0 || name === "cold");
  const percent = (name) => `${(100 * values[name] / all).toFixed(1)}%`;
  $("hits").replaceChildren(
    el("div", { class: "share", "aria-hidden": "true" }, ...used.map(([name]) => el("i", { class: `b-${name}`, style: { width: percent(name) } }))),
    el("table", { class: "facts-table" }, el("tbody", {}, ...used.map(([name, word, why]) => el("tr", {},
      el("th", { scope: "row" }, el("i", { class: `sw b-${name}` }), word), el("td", { class: "num", text: number(values[name]) }),
      el("td", { class: "num", text: queries ? percent(name).replace("%", " %") : "-" }), el("td", { text: why }))))),
    el("p", { class: "explain", text: `${number(queries)} prompt tokens looked up since the start.` }));
}

export function drawDrafts(live) {
  const { proposed, accepted } = live.snapshot.drafts;
  if (!proposed.some((count) => count > 0)) {
    $("drafts").replaceChildren(el("p", { class: "explain", text: proposed.length ? "Nothing was guessed yet." : "Speculation is off." }));
    return;
  }
  $("drafts").replaceChildren(...proposed.map((count, i) => {
    const share = count ? 100 * accepted[i] / count : 0;
    return el("div", { class: "meter" }, el("span", { text: `Guess ${i + 1}` }),
      el("span", { class: "track", "aria-hidden": "true" }, el("span", { class: "fill", style: { width: `${share}%` } })),
      el("span", { class: "num", text: `${share.toFixed(0)} % of ${number(count)}` }));
  }));
}

export function setUpCharts() {
  $("step-legend").append(...kParts.map((name, i) => el("li", {}, el("i", { class: `sw s-${i}` }), `${name}: ${kPartWords[i]}`)));
  for (const canvas of [$("steps"), $("bandwidth")]) {
    canvas.addEventListener("mousemove", (event) => {
      const step = shown.get(canvas)?.[Math.floor((event.clientX - canvas.getBoundingClientRect().left - kLeft) / kBar)];
      if (!step) { hideTip(); return; }
      const rows = [["sequences", step.sequences], ["generating", step.decode], ["prompt tokens", step.prefill], ["guesses", step.drafts],
        ...kParts.map((name, k) => [name, `${step.ms[k].toFixed(2)} ms`]), ["bandwidth", `${step.gbps.toFixed(1)} GB/s`]];
      showTip({ left: event.clientX, top: event.clientY, bottom: event.clientY }, el("b", { text: `Step ${step.n}: ${stepMs(step).toFixed(2)} ms` }),
        el("table", {}, el("tbody", {}, ...rows.map(([name, value]) => el("tr", {}, el("td", { text: name }), el("td", { text: String(value) }))))));
    });
    canvas.addEventListener("mouseleave", hideTip);
  }
}
