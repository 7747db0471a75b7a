// Markdown to DOM nodes. Everything the model wrote ends as a text node or as an attribute that was
// checked; there is no way from its text to markup.
import { el } from "./dom.js";
import { addText, copyButton, plain } from "./text.js";

const kDepthMax = 8;
const kFailsMax = 1000;        // marks without a partner that are searched for, in one block
const kInlineMax = 200000;     // longer paragraphs are shown as they are
const kWindow = 8200;          // no inline mark reaches farther

// The address as it would be opened, or null for anything but http and https.
export function safeAddress(address) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
}

function link(address, label) {
  const href = safeAddress(address);
  if (!href) return null;
  const node = el("a", { href, rel: "noopener noreferrer nofollow", target: "_blank", title: plain(href, 400) });
  if (label === null) addText(node, address);
  else inline(node, label, { depth: 1, fails: 0 });
  return node;
}

const kInline = [
  [/^`{1,4}(?!`)/, (parent, text, match) => {
    const ticks = match[0];
    let end = text.indexOf(ticks, ticks.length);
    while (end >= 0 && text[end + ticks.length] === "`") end = text.indexOf(ticks, end + ticks.length + 1);
    if (end < 0) return 0;
    const code = el("code");
    addText(code, text.slice(ticks.length, end).replace(/\n/g, " "));
    parent.append(code);
    return end + ticks.length;
  }],
  [/^!?\[([^\[\]\n]{0,1000})\]\(([^()\s<>]{1,2000})(?:\s+"[^"\n]{0,300}")?\)/, (parent, text, match) => {
    const node = link(match[2], match[1] || match[2]);  // images too: they are never loaded
    if (!node) return 0;
    parent.append(node);
    return match[0].length;
  }],
  [/^<?(https?:\/\/[^\s<>"'`]{1,2000})>?/, (parent, text, match) => {
    let end = match[1].length;
    while (".,;:!?)]*_".includes(match[1][end - 1])) end--;
    const trimmed = match[1].slice(0, end);
    const node = link(trimmed, null);
    if (!node) return 0;
    parent.append(node);
    return match[0].startsWith("<") && match[0].endsWith(">") ? match[0].length
      : match[0].indexOf(trimmed) + trimmed.length;
  }],
  [/^(\*\*\*|___)(?=\S)([^\n]{1,4000}?\S)\1/, wrap("strong", "em")],
  [/^(\*\*|__)(?=\S)([^\n]{1,4000}?\S)\1/, wrap("strong")],
  [/^(~~)(?=\S)([^\n]{1,4000}?\S)\1/, wrap("del")],
  [/^(\*)(?=[^\s*])([^\n*]{1,4000}?[^\s*]|[^\s*])\1(?!\*)/, wrap("em")],
  [/^(_)(?=[^\s_])([^\n_]{1,4000}?[^\s_]|[^\s_])\1(?![\w_])/, wrap("em")],
  [/^\\([\\`*_{}\[\]()#+\-.!|~<>])/, (parent, text, match) => { parent.append(match[1]); return 2; }],
  [/^\\\n/, (parent) => { parent.append(el("br")); return 2; }],
];

function wrap(tag, inner) {
  return (parent, text, match, work) => {
    const node = el(tag);
    work.depth++;
    inline(inner ? node.appendChild(el(inner)) : node, match[2], work);
    work.depth--;
    parent.append(node);
    return match[0].length;
  };
}

// Characters at which something may begin; what lies between is plain.
const kSpecial = /[`!\[<*_~\\\n]|https?:\/\//g;

// work: {depth, fails} of the block that the text belongs to.
export function inline(parent, text, work = { depth: 0, fails: 0 }) {
  if (work.depth > kDepthMax || text.length > kInlineMax) {
    addText(parent, text);
    return;
  }
  let begin = 0, at = 0;  // text[begin, at) is plain
  while (at < text.length && work.fails < kFailsMax) {
    kSpecial.lastIndex = at;
    const next = kSpecial.exec(text);
    if (!next || room < 0) break;
    at = next.index;
    if (text[at] === "\n") {
      if (text[at - 1] === " " && text[at - 2] === " ") {
        addText(parent, text.slice(begin, at));
        parent.append(el("br"));
        begin = at + 1;
      }
      at++;
      continue;
    }
    const inWord = text[at] === "_" && at > 0 && /\w/.test(text[at - 1]);
    const used = inWord ? 0 : take(parent, text.slice(begin, at), text.slice(at, at + kWindow), work);
    if (used) {
      at += used;
      begin = at;
    } else {
      work.fails++;
      // A run of the same mark fails as one.
      const mark = text[at];
      for (at++; text[at] === mark && "*_~!`".includes(mark);) at++;
    }
  }
  addText(parent, text.slice(begin));
}

// Appends what stands before and the element at the begin of `rest`; gives how much of it was used.
function take(parent, before, rest, work) {
  for (const [pattern, make] of kInline) {
    const match = pattern.exec(rest);
    if (!match) continue;
    room--;
    const holder = document.createDocumentFragment();
    const used = make(holder, rest, match, work);
    if (!used) continue;
    addText(parent, before);
    parent.append(holder);
    return used;
  }
  return 0;
}

// --- blocks

const kFence = /^ {0,3}(`{3,}|~{3,})[ \t]*([^`\n]{0,60})$/;
const kHeading = /^ {0,3}(#{1,6})[ \t]+(.*)$/;
const kRule = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const kItem = /^( {0,12})([-*+]|\d{1,9}[.)])[ \t]+(.*)$/;
const isTableLine = (line) => line.includes("-") && cells(line).every((cell) => /^:?-+:?$/.test(cell.trim()));
const kRowsMax = 3000;    // of a list or table; the rest is one text
const kBlocksMax = 2000;
const kElementsMax = 10000;  // of one message
let room = kElementsMax;

const startsBlock = (line) => kFence.test(line) || kHeading.test(line) || kRule.test(line) || kItem.test(line)
  || /^ {0,3}>/.test(line);

// The text as blocks: {kind, lines, source, at: where it begins}. The source decides how a block
// looks, nothing else. Line ends are \n.
export function blocks(text) {
  const lines = text.split("\n");
  const out = [];
  let at = 0, counted = 0;  // where line `counted` begins
  for (let i = 0; i < lines.length;) {
    if (out.length === kBlocksMax) {
      for (; counted < i; counted++) at += lines[counted].length + 1;
      out.push({ kind: "rest", lines: lines.slice(i), source: text.slice(at), at });
      break;
    }
    const begin = i;
    const line = lines[i];
    let kind = "paragraph", match;
    if (!line.trim()) { i++; continue; }
    if ((match = kFence.exec(line))) {
      kind = "code";
      const close = new RegExp(`^ {0,3}${match[1][0]}{${match[1].length},}[ \\t]*$`);
      for (i++; i < lines.length && !close.test(lines[i]);) i++;
      i = Math.min(i + 1, lines.length);
    } else if (kHeading.test(line)) {
      kind = "heading"; i++;
    } else if (kRule.test(line)) {
      kind = "rule"; i++;
    } else if (/^ {0,3}>/.test(line)) {
      kind = "quote";
      while (i < lines.length && /^ {0,3}>/.test(lines[i])) i++;
    } else if (kItem.test(line)) {
      kind = "list";
      const [, indent, sign] = kItem.exec(line);
      for (i++; i < lines.length; i++) {
        const item = kItem.exec(lines[i]);
        if (item && item[1].length <= indent.length + 1 && /\d/.test(item[2]) !== /\d/.test(sign)) break;
        if (item || /^\s{2,}\S/.test(lines[i])) continue;
        const next = lines[i + 1] ?? "";
        if (!lines[i].trim() && (kItem.test(next) || /^\s{2,}\S/.test(next))) continue;
        if (lines[i].trim() && lines[i - 1].trim() && !startsBlock(lines[i])) continue;
        break;
      }
    } else if (line.includes("|") && isTableLine(lines[i + 1] ?? "")) {
      kind = "table";
      for (i += 2; i < lines.length && lines[i].includes("|") && lines[i].trim();) i++;
    } else {
      for (i++; i < lines.length && lines[i].trim() && !startsBlock(lines[i]);) i++;
    }
    for (; counted < begin; counted++) at += lines[counted].length + 1;
    out.push({ kind, lines: lines.slice(begin, i), source: `${kind}\n${lines.slice(begin, i).join("\n")}`, at });
  }
  return out;
}

const codeOf = (lines) => lines.slice(1, isClosed(lines) ? -1 : undefined).join("\n");

function codeBlock(lines) {
  const [, , info] = kFence.exec(lines[0]);
  const source = codeOf(lines);
  const name = plain(info.trim().split(/\s/)[0] || "text", 40);
  const code = el("code");
  const block = el("div", { class: "codeblock" },
    el("div", {}, el("span", { text: name }), copyButton(() => block.source, { "aria-label": "Copy the code" })),
    el("pre", { tabindex: "0", role: "region", "aria-label": `Code, ${name}`, dir: "ltr" }, code));
  block.source = source;
  addLines(code, source);
  return block;
}

// Code in pieces of some lines, so that more of it does not lay out the rest anew.
const kPieceLines = 64;
function addLines(code, source) {
  const lines = source.split("\n");
  const known = code.childElementCount;
  for (let i = 0; i * kPieceLines < lines.length; i++) {
    const end = (i + 1) * kPieceLines;
    const text = lines.slice(i * kPieceLines, end).join("\n") + (end < lines.length ? "\n" : "");
    if (i < known && code.children[i].source === text) continue;
    const piece = code.children[i] ?? code.appendChild(el("span", { class: "piece" }));
    piece.source = text;
    piece.replaceChildren();
    addText(piece, text);
  }
  while (code.childElementCount * kPieceLines >= lines.length + kPieceLines) code.lastChild.remove();
}

const isClosed = (lines) => {
  const [, fence] = kFence.exec(lines[0]);
  return lines.length > 1 && lines.at(-1).trim().startsWith(fence) && /^[`~\s]+$/.test(lines.at(-1));
};

// The items of a list, each as its lines without the sign.
function itemsOf(lines) {
  const first = kItem.exec(lines[0]);
  const base = first[1].length;
  const strip = new RegExp(`^ {0,${base + first[2].length + 1}}`);
  const items = [];
  for (const line of lines) {
    const match = kItem.exec(line);
    if (match && match[1].length <= base + 1) items.push([match[3]]);
    else items.at(-1).push(line.replace(strip, ""));
  }
  return items;
}

function listItem(lines, depth) {
  const entry = el("li", { dir: "auto" });
  if (room-- > 0) render(entry, lines, depth + 1);
  else addText(entry, lines.join("\n"));
  if (entry.childElementCount === 1 && entry.firstChild.tagName === "P") entry.replaceChildren(...entry.firstChild.childNodes);
  entry.source = lines.join("\n");
  return entry;
}

function fillList(node, lines, depth) {
  const items = bounded(itemsOf(lines), (rest) => rest.flat());
  let same = 0;
  while (same < items.length && node.children[same]?.source === items[same].join("\n")) same++;
  while (node.childElementCount > same) node.lastChild.remove();
  node.append(...items.slice(same).map((item) => listItem(item, depth)));
}

function list(lines, depth) {
  const sign = kItem.exec(lines[0])[2];
  const ordered = /\d/.test(sign);
  const node = el(ordered ? "ol" : "ul", ordered ? { start: parseInt(sign, 10) } : {});
  fillList(node, lines, depth);
  return node;
}

const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").slice(0, 64);
function tableRow(line, tag) {
  room -= 2;
  const row = el("tr", {}, ...(room > 0 ? cells(line) : [line]).map((cell) => {
    room--;
    const node = el(tag, tag === "th" ? { scope: "col" } : {});
    inline(node, cell.trim());
    return node;
  }));
  row.source = line;
  return row;
}

// At most kRowsMax; `join` makes one of the rest.
const bounded = (rows, join) => (rows.length <= kRowsMax ? rows : [...rows.slice(0, kRowsMax), join(rows.slice(kRowsMax))]);

function fillRows(body, lines) {
  const rows = bounded(lines.slice(2), (rest) => rest.join(" ").replaceAll("|", " "));
  let same = 0;
  while (same < rows.length && body.children[same]?.source === rows[same]) same++;
  while (body.childElementCount > same) body.lastChild.remove();
  body.append(...rows.slice(same).map((line) => tableRow(line, "td")));
}

function table(lines) {
  const body = el("tbody");
  fillRows(body, lines);
  return el("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" },
    el("table", {}, el("thead", {}, tableRow(lines[0], "th")), body));
}

// Without the closing signs.
function headingText(text) {
  const trimmed = text.trimEnd();
  let end = trimmed.length;
  while (trimmed[end - 1] === "#") end--;
  return end === 0 || " \t".includes(trimmed[end - 1]) ? trimmed.slice(0, end).trimEnd() : trimmed;
}

function node(block, depth) {
  const { kind, lines } = block;
  if (kind === "code") return codeBlock(lines);
  if (kind === "rule") return el("hr");
  room -= kind === "code" ? 8 : 2;
  if (kind === "rest" || room < 0) {
    const rest = el("div", { class: "rest", dir: "auto" });
    addText(rest, lines.join("\n"));
    return rest;
  }
  if (kind === "list" && depth < kDepthMax) return list(lines, depth);
  if (kind === "table") return table(lines);
  if (kind === "quote" && depth < kDepthMax) {
    const quote = el("blockquote");
    render(quote, lines.map((line) => line.replace(/^ {0,3}> ?/, "")), depth + 1);
    return quote;
  }
  const match = kind === "heading" ? kHeading.exec(lines[0]) : null;
  // One level down: the page has its own first level.
  const out = el(match ? `h${Math.min(6, match[1].length + 1)}` : "p", { dir: "auto" });
  inline(out, match ? headingText(match[2]) : lines.join("\n"));
  return out;
}

function render(parent, lines, depth) {
  for (const block of blocks(lines.join("\n"))) parent.append(node(block, depth));
}

// Makes `old` equal to `fresh` and keeps what is equal, so that it is not laid out anew.
function morph(old, fresh) {
  const nodes = [...fresh.childNodes];
  let same = 0;
  while (same < nodes.length && old.childNodes[same]?.isEqualNode(nodes[same])) same++;
  const [a, b] = [old.childNodes[same], nodes[same]];
  if (a?.nodeType === 3 && b?.nodeType === 3 && b.data.startsWith(a.data)) {
    a.appendData(b.data.slice(a.length));
    same++;
  } else if (a?.nodeType === 1 && b?.nodeType === 1 && a.cloneNode().isEqualNode(b.cloneNode())) {
    if (b.source !== undefined) a.source = b.source;
    morph(a, b);
    same++;
  }
  while (old.childNodes.length > same) old.lastChild.remove();
  old.append(...nodes.slice(same));
}

// Changes the element of a block that has grown; false when it must be made anew.
function grow(element, before, block) {
  if (element && before?.kind === block.kind && (block.kind === "paragraph" || block.kind === "quote")) {
    morph(element, node(block, 0));
    return true;
  }
  if (!element || before?.kind !== block.kind || before.lines[0] !== block.lines[0]) return false;
  if (block.kind === "list") fillList(element, block.lines, 0);
  else if (block.kind === "table" && before.lines[1] === block.lines[1]) fillRows(element.querySelector("tbody"), block.lines);
  else if (block.kind === "code") {
    element.source = codeOf(block.lines);
    addLines(element.querySelector("code"), element.source);
  } else return false;
  return true;
}

// The blocks of `text`, knowing those of a text that it continues: all but the last two stay, since
// a line that was not complete can have been one, and the block before it can take it in.
function blocksAfter(text, known) {
  const settled = known && text.startsWith(known.text) ? known.blocks.slice(0, -2) : [];
  if (!settled.length) return blocks(text);
  const from = known.blocks[settled.length];
  const rest = blocks(text.slice(from.at));
  return [...settled, ...rest.map((block) => ({ ...block, at: from.at + block.at }))];
}

// Shows `text` in `parent`; of what is there already only what differs is made anew.
export function update(parent, text) {
  room = kElementsMax - parent.getElementsByTagName("*").length;
  const source = text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
  const known = parent.shown?.blocks ?? [];
  const wanted = blocksAfter(source, parent.shown);
  let same = 0;
  while (same < wanted.length && same < known.length && wanted[same].source === known[same].source) same++;
  if (same < wanted.length && grow(parent.childNodes[same], known[same], wanted[same])) same++;
  while (parent.childNodes.length > same) parent.lastChild.remove();
  for (const block of wanted.slice(same)) parent.append(node(block, 0));
  parent.shown = { text: source, blocks: wanted };
}
