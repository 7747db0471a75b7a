// The picture of continuous batching: columns are steps, rows are sequences.
import { $, colour, hideTip, prepare, showTip } from "./dom.js";

const kColumn = 15;    // CSS pixels
const kLabel = 18;
const kHoldSteps = 2;  // a lane stays taken so long after its sequence was last seen

// Rows of the picture: a sequence keeps its lane from its first step to its last.
class Lanes {
  constructor() {
    this.lane = new Map();   // sequence -> lane
    this.seen = new Map();   // sequence -> number of its last step
    this.columns = [];       // {n, cells: [{lane, sequence, rows, drafts, accepted, prefill}]}
    this.newest = 0;
  }

  add(step) {
    if (step.n <= this.newest) {
      if (step.n + 600 > this.newest) return;
      Object.assign(this, new Lanes());  // the server began anew
    }
    this.newest = step.n;
    const flat = step.shares ?? [];
    const cells = [];
    const present = new Set();
    for (let i = 0; i < flat.length; i += 4) present.add(flat[i]);
    for (const [sequence, last] of this.seen) {
      if (present.has(sequence) || step.n - last <= kHoldSteps) continue;
      this.seen.delete(sequence);
      this.lane.delete(sequence);
    }
    const taken = new Set(this.lane.values());
    for (let i = 0; i < flat.length; i += 4) {
      const [sequence, rows, drafts, accepted] = flat.slice(i, i + 4);
      if (!this.lane.has(sequence)) {
        let free = 0;
        while (taken.has(free)) free++;
        taken.add(free);
        this.lane.set(sequence, free);
      }
      this.seen.set(sequence, step.n);
      cells.push({ lane: this.lane.get(sequence), sequence, rows: Math.abs(rows), drafts, accepted, prefill: rows < 0 });
    }
    for (const sequence of step.preempted ?? []) {
      if (this.lane.has(sequence)) cells.push({ lane: this.lane.get(sequence), sequence, paused: true });
    }
    this.columns.push({ n: step.n, known: step.shares !== undefined, cells });
    this.columns.splice(0, Math.max(0, this.columns.length - 200));
  }
}

const lanes = new Lanes();
let drawn = { cells: [], width: 0 };

function label(live, cell) {
  const name = live.names.get(cell.sequence) || `sequence ${cell.sequence}`;
  if (cell.paused) return `${name}: paused, its pages were needed by others`;
  if (cell.prefill) return `${name}: read ${cell.rows} tokens of its prompt`;
  const drafts = cell.drafts ? `, ${cell.accepted} of ${cell.drafts} guesses were right` : "";
  return `${name}: ${1 + cell.accepted} new token${cell.accepted ? "s" : ""}${drafts}`;
}

function drawCell(context, cell, x, y, height, colours) {
  const width = kColumn - 2;
  if (cell.paused) {
    context.strokeStyle = colours.hot;
    context.lineWidth = 2;
    const middle = x + width / 2, reach = Math.min(4, height / 2 - 0.5);
    context.beginPath();
    for (const side of [-1, 1]) {
      context.moveTo(middle - reach, y + height / 2 - side * reach);
      context.lineTo(middle + reach, y + height / 2 + side * reach);
    }
    context.stroke();
    return;
  }
  context.fillStyle = cell.prefill ? colours.prefill : colours.decode;
  context.fillRect(x, y, width, height);
  if (cell.drafts > 0) {
    const unit = width / (cell.drafts + 1);
    for (let i = 0; i < cell.drafts; i++) {
      context.fillStyle = i < cell.accepted ? colours.draft : colours.reject;
      context.fillRect(x + unit * (i + 1), y, unit, height);
    }
  }
  if (cell.prefill && height >= 10 && cell.rows < 1000) {
    context.fillStyle = colours.onPrefill;
    context.fillText(String(cell.rows), x + width / 2, y + height / 2 + 0.5);
  }
}

export function drawBatch(live) {
  for (const step of live.steps) if (step.n > lanes.newest || step.n + 600 < lanes.newest) lanes.add(step);
  const canvas = $("batch");
  const count = Math.max(1, Math.floor(((canvas.clientWidth || 600) - kLabel) / kColumn));
  const columns = lanes.columns.filter((column) => column.known).slice(-count);
  const used = [...new Set(columns.flatMap((column) => column.cells.map((cell) => cell.lane)))].sort((a, b) => a - b);
  const rowOf = new Map(used.map((lane, row) => [lane, row]));  // lanes that the picture does not show take no room
  const rows = Math.max(4, used.length);
  const height = rows <= 12 ? 16 : rows <= 28 ? 11 : 6;
  const { context, width } = prepare(canvas, rows * height + 18);
  const dark = document.documentElement.dataset.theme === "dark";
  const colours = { decode: colour("decode"), prefill: colour("prefill"), draft: colour("draft"), reject: colour("reject"), hot: colour("hot"),
    onPrefill: dark ? "#1b1300" : "#ffffff" };
  context.font = "9px system-ui";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillStyle = colour("free");
  for (let row = 0; row < rows; row++) context.fillRect(kLabel, row * height + height - 1, width - kLabel, 0.5);
  drawn = { cells: [], height, live };
  columns.forEach((column, i) => {
    const x = kLabel + i * kColumn;
    for (const cell of column.cells) {
      const y = rowOf.get(cell.lane) * height;
      drawCell(context, cell, x, y, height - 1, colours);
      drawn.cells.push({ x, y, cell, n: column.n });
    }
    if (column.n % 10 === 0) {
      context.fillStyle = colour("soft");
      context.fillText(String(column.n), x + kColumn / 2, rows * height + 9);
    }
  });
  const last = (columns.at(-1)?.cells ?? []).filter((cell) => !cell.paused);
  canvas.setAttribute("aria-label", columns.length === 0 ? "No step was made yet"
    : `The last ${columns.length} steps. The newest has ${last.filter((cell) => !cell.prefill).length} generating sequences and `
      + `${last.filter((cell) => cell.prefill).length} that read their prompts.`);
}

export function setUpBatch(lit) {
  $("batch").addEventListener("mousemove", (event) => {
    const box = $("batch").getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    const hit = drawn.cells.find((it) => x >= it.x && x < it.x + kColumn && y >= it.y && y < it.y + drawn.height);
    lit(hit ? hit.cell.sequence : null);
    if (hit) showTip({ left: event.clientX, top: event.clientY, bottom: event.clientY }, `Step ${hit.n}. ${label(drawn.live, hit.cell)}`);
    else hideTip();
  });
  $("batch").addEventListener("mouseleave", () => { hideTip(); lit(null); });
}
