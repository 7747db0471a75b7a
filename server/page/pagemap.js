// The page pools as maps: one square per page.
import { $, colour, el, hideTip, number, prepare, showTip } from "./dom.js";

const kPagesShown = 6000;
const kColours = { f: "free", c: "cached", r: "p1", s: "p2", t: "p3", u: "p4", v: "p5", w: "p6" };
const kWords = { f: "free", c: "cached: nobody holds it, but its content may be found again", r: "held by one sequence",
  s: "shared by 2 sequences", t: "shared by 3 or 4 sequences", u: "shared by 5 to 8 sequences",
  v: "shared by 9 to 16 sequences", w: "shared by more than 16 sequences" };

// "f12r3" as [letter, count] pairs.
export const runs = (map) => [...map.matchAll(/([a-z])(\d+)/g)].map((match) => [match[1], Number(match[2])]);

const pools = [];

function makePool(name) {
  const canvas = el("canvas", { role: "img" });
  const share = el("div", { class: "share", role: "img" });
  const facts = el("p", { class: "explain" });
  const root = el("div", { class: "pool" }, facts, share, canvas);
  const pool = { root, canvas, share, facts, letters: "", columns: 1, cell: 10, name };
  canvas.addEventListener("mousemove", (event) => {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / pool.cell), row = Math.floor((event.clientY - box.top) / pool.cell);
    const page = row * pool.columns + column;
    if (column >= pool.columns || page >= pool.letters.length) { hideTip(); return; }
    showTip({ left: event.clientX, top: event.clientY, bottom: event.clientY }, `Page ${page}: ${kWords[pool.letters[page]]}`);
  });
  canvas.addEventListener("mouseleave", hideTip);
  $("pools").append(root);
  return pool;
}

// The first pages, up to the last that is not free (and a few more).
function lettersOf(map) {
  let letters = "";
  const list = runs(map);
  while (list.length && list.at(-1)[0] === "f") list.pop();
  for (const [letter, count] of list) letters += letter.repeat(Math.min(count, kPagesShown - letters.length));
  return letters;
}

function draw(pool, stats, lit) {
  const letters = lettersOf(stats.map);
  const width = pool.canvas.clientWidth || 600;
  const fit = (size) => Math.max(1, Math.floor(width / size));
  pool.cell = letters.length > 2500 ? 6 : letters.length > 1200 ? 8 : 11;
  pool.columns = fit(pool.cell);
  // Whole rows: free pages fill the last one, and there are always a few.
  const rows = Math.max(3, Math.ceil(letters.length / pool.columns));
  pool.letters = letters.padEnd(Math.min(stats.total, rows * pool.columns), "f");
  const { context } = prepare(pool.canvas, Math.ceil(pool.letters.length / pool.columns) * pool.cell + 1);
  const colours = Object.fromEntries(Object.entries(kColours).map(([letter, name]) => [letter, colour(name)]));
  const size = pool.cell - 1.5;
  for (let i = 0; i < pool.letters.length; i++) {
    context.fillStyle = colours[pool.letters[i]];
    context.fillRect((i % pool.columns) * pool.cell, Math.floor(i / pool.columns) * pool.cell, size, size);
  }
  if (lit.length) {
    context.strokeStyle = colour("hot");
    context.lineWidth = 2;
    for (let i = 0; i < lit.length; i += 2) {
      for (let page = lit[i]; page < lit[i] + lit[i + 1] && page < pool.letters.length; page++) {
        context.strokeRect((page % pool.columns) * pool.cell + 0.5, Math.floor(page / pool.columns) * pool.cell + 0.5, size - 1, size - 1);
      }
    }
  }
  const percent = (count) => `${(100 * count / Math.max(1, stats.total)).toFixed(1)} %`;
  const hidden = stats.total - pool.letters.length;
  pool.facts.textContent = `${pool.name}: ${number(stats.total)} in all, ${number(stats.referenced)} held (${percent(stats.referenced)}), `
    + `${number(stats.cached)} cached, ${number(stats.free)} free.`
    + (hidden > 0 ? ` Shown are the first ${number(pool.letters.length)}.` : "");
  pool.share.replaceChildren(el("i", { class: "b-held", style: { width: percent(stats.referenced).replace(" ", "") } }),
    el("i", { class: "b-hit", style: { width: percent(stats.cached).replace(" ", "") } }));
  pool.share.setAttribute("aria-label", pool.facts.textContent);
  pool.canvas.setAttribute("aria-label", `Map of the pages. ${pool.facts.textContent}`);
}

// lit: ranges of pages of the first group (first, count, first, count ...) to outline.
export function drawPages(live, lit) {
  const { groups, states } = live.snapshot.cache;
  const shown = groups.map((group, i) => [groups.length > 1 ? `Pages of group ${i + 1}` : "Pages", group]);
  if (states.total > 0) shown.push(["Slots for recurrent states", states]);
  while (pools.length > shown.length) pools.pop().root.remove();
  shown.forEach(([name, stats], i) => {
    pools[i] ??= makePool(name);
    pools[i].name = name;
    draw(pools[i], stats, i === 0 ? lit : []);
  });
}
