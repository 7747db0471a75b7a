// The prefix tree, drawn from left to right: the horizontal axis is the position in the text.
import { $, hideTip, number, showTip, svg } from "./dom.js";

const kRow = 12;
const kRowsMax = 40;
const kRootWidth = 10;
let shownKey = "";

const shade = (references) => (references === 0 ? "n0" : references === 1 ? "n1" : references === 2 ? "n2" : references <= 4 ? "n3"
  : references <= 8 ? "n4" : references <= 16 ? "n5" : "n6");

function describe(chain) {
  const held = chain.references ? `held by ${chain.references} sequence${chain.references > 1 ? "s" : ""}` : "cached, held by nobody";
  const states = chain.snapshots ? `, ${chain.snapshots} recurrent state${chain.snapshots > 1 ? "s" : ""}` : "";
  const pages = chain.pages ? `${chain.pages} page${chain.pages > 1 ? "s" : ""} ${held}` : "pages evicted";
  return `Tokens ${number(chain.begin)} to ${number(chain.end)}: ${pages}${states}${chain.hidden ? `; ${chain.hidden} more branches are not shown` : ""}`;
}

const inside = (chain) => `${chain.pages} pages` + (chain.references > 1 ? `, shared by ${chain.references} sequences` : "");

// Gives every chain its rows: a leaf one, a parent those of its children.
function layOut(chains) {
  const nodes = chains.map((chain) => ({ chain, children: [], rows: 0, row: 0 }));
  const roots = [];
  nodes.forEach((node) => (node.chain.parent >= 0 ? nodes[node.chain.parent].children : roots).push(node));
  for (let i = nodes.length - 1; i >= 0; i--) {
    nodes[i].rows = Math.max(1, nodes[i].children.reduce((sum, child) => sum + child.rows, 0));
  }
  const weight = (node) => node.chain.references * 1e6 + node.rows;
  let row = 0;
  const place = (node, at) => {
    node.row = at;
    for (const child of node.children.sort((a, b) => weight(b) - weight(a))) {
      place(child, at);
      at += child.rows;
    }
  };
  for (const root of roots.sort((a, b) => weight(b) - weight(a))) {
    place(root, row);
    row += root.rows;
  }
  return { nodes, rows: row };
}

export function drawTree(live) {
  const { chains, nodes: total } = live.snapshot.cache.prefix;
  const box = $("tree");
  const width = box.clientWidth || 600;
  const key = JSON.stringify([width, chains]);
  if (key === shownKey) return;
  shownKey = key;
  const { nodes, rows } = layOut(chains);
  const end = Math.max(1, ...chains.map((chain) => chain.end));
  const shown = Math.min(rows, kRowsMax);
  const scale = (width - kRootWidth - 4) / end;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${Math.max(2, shown) * kRow + 16}`, height: Math.max(2, shown) * kRow + 16, role: "img",
    "aria-label": chains.length ? `Prefix tree with ${number(total)} nodes` : "The prefix tree is empty" });
  if (chains.length) picture.append(svg("rect", { class: "root", x: 0, y: 0, width: kRootWidth - 2, height: shown * kRow - 1, rx: 2 }));
  for (const node of nodes) {
    if (node.row >= kRowsMax) continue;
    const { chain } = node;
    const x = kRootWidth + chain.begin * scale;
    const rect = svg("rect", { class: chain.pages ? shade(chain.references) : "gone", x, y: node.row * kRow, rx: 2,
      width: Math.max(2, (chain.end - chain.begin) * scale - 0.5), height: (Math.min(kRowsMax, node.row + node.rows) - node.row) * kRow - 1 });
    rect.addEventListener("mousemove", (event) => showTip({ left: event.clientX, top: event.clientY, bottom: event.clientY }, describe(chain)));
    rect.addEventListener("mouseleave", hideTip);
    picture.append(rect);
    const room = Number(rect.getAttribute("height")), label = inside(chain);
    if (room >= 2 * kRow && Number(rect.getAttribute("width")) > 6.5 * label.length) {
      const text = svg("text", { class: "inside", x: x + 8, y: node.row * kRow + room / 2 + 4 });
      text.textContent = label;
      picture.append(text);
    }
  }
  for (let i = 0; i <= 4; i++) {
    const text = svg("text", { x: kRootWidth + (end * i / 4) * scale, y: Math.max(2, shown) * kRow + 12,
      "text-anchor": i === 0 ? "start" : i === 4 ? "end" : "middle" });
    text.textContent = chains.length ? (i === 0 ? "first token" : number(end * i / 4)) : "";
    picture.append(text);
  }
  box.replaceChildren(picture);
  const shared = chains.filter((chain) => chain.references > 1);
  const saved = shared.reduce((sum, chain) => sum + (chain.references - 1) * chain.pages, 0);
  $("tree-note").textContent = chains.length === 0 ? "Nothing is cached yet."
    : `${number(total)} nodes, one for each page of text. Sharing saves ${number(saved)} pages right now.`
      + (rows > kRowsMax ? ` Shown are ${kRowsMax} of ${number(rows)} branches.` : "");
}
