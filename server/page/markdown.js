// Markdown to DOM nodes. Everything the model wrote ends as a text node or as an attribute that was
// checked; there is no way from its text to markup.
import { el } from "./dom.js";

const kControls = /[\u202a-\u202e\u2066-\u2069]/;
const kDepthMax = 8;

// Text with bidirectional controls made visible, so that what is read is what is there.
export function addText(parent, text) {
  let rest = text;
  for (let at = rest.search(kControls); at >= 0; at = rest.search(kControls)) {
    if (at > 0) parent.append(rest.slice(0, at));
    const code = `U+${rest.charCodeAt(at).toString(16).toUpperCase()}`;
    parent.append(el("span", { class: "control", title: "a bidirectional control character", text: code }));
    rest = rest.slice(at + 1);
  }
  if (rest) parent.append(rest);
}

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
  const node = el("a", { href, rel: "noopener noreferrer nofollow", target: "_blank", title: href });
  if (label === null) addText(node, address);
  else inline(node, label, 1);
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
    const trimmed = match[1].replace(/[.,;:!?)\]*_]+$/, "");
    const node = link(trimmed, null);
    if (!node) return 0;
    parent.append(node);
    return match[0].startsWith("<") && match[0].endsWith(">") ? match[0].length
      : match[0].indexOf(trimmed) + trimmed.length;
  }],
  [/^(\*\*|__)(?=\S)([^\n]{1,4000}?\S)\1/, wrap("strong")],
  [/^(~~)(?=\S)([^\n]{1,4000}?\S)\1/, wrap("del")],
  [/^(\*)(?=[^\s*])([^\n*]{1,4000}?[^\s*]|[^\s*])\1(?!\*)/, wrap("em")],
  [/^(_)(?=[^\s_])([^\n_]{1,4000}?[^\s_]|[^\s_])\1(?![\w_])/, wrap("em")],
  [/^\\([\\`*_{}\[\]()#+\-.!|~<>])/, (parent, text, match) => { parent.append(match[1]); return 2; }],
  [/^( {2,}|\\)\n/, (parent, text, match) => { parent.append(el("br")); return match[0].length; }],
];

function wrap(tag) {
  return (parent, text, match, depth) => {
    const node = el(tag);
    inline(node, match[2], depth + 1);
    parent.append(node);
    return match[0].length;
  };
}

// Characters at which something may begin; what lies between is plain.
const kSpecial = /[`!\[<*_~\\\n]|https?:\/\/| {2,}\n/g;

export function inline(parent, text, depth = 0) {
  if (depth > kDepthMax) {
    addText(parent, text);
    return;
  }
  let plain = "", at = 0;
  while (at < text.length) {
    kSpecial.lastIndex = at;
    const next = kSpecial.exec(text);
    const begin = next ? next.index : text.length;
    plain += text.slice(at, begin);
    at = begin;
    if (!next) break;
    const rest = text.slice(at, at + 8200);
    const inWord = text[at] === "_" && at > 0 && /\w/.test(text[at - 1]);
    let used = 0;
    for (const [pattern, make] of kInline) {
      const match = inWord ? null : pattern.exec(rest);
      if (!match) continue;
      const holder = document.createDocumentFragment();
      used = make(holder, rest, match, depth);
      if (!used) continue;
      addText(parent, plain);
      plain = "";
      parent.append(holder);
      break;
    }
    if (!used) plain += text[at];
    at += used || 1;
  }
  addText(parent, plain);
}

// --- blocks

const kFence = /^ {0,3}(`{3,}|~{3,})[ \t]*([^`\n]{0,60})$/;
const kHeading = /^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*$/;
const kRule = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const kItem = /^( {0,12})([-*+]|\d{1,9}[.)])[ \t]+(.*)$/;
const kTableLine = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

const startsBlock = (line) => kFence.test(line) || kHeading.test(line) || kRule.test(line) || kItem.test(line)
  || /^ {0,3}>/.test(line);

// The text as blocks: {kind, lines ...}. A block's source decides how it looks, nothing else.
export function blocks(text) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const out = [];
  for (let i = 0; i < lines.length;) {
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
    } else if (line.includes("|") && kTableLine.test(lines[i + 1] ?? "") && lines[i + 1].includes("-")) {
      kind = "table";
      for (i += 2; i < lines.length && lines[i].includes("|") && lines[i].trim();) i++;
    } else {
      for (i++; i < lines.length && lines[i].trim() && !startsBlock(lines[i]);) i++;
    }
    out.push({ kind, lines: lines.slice(begin, i), source: `${kind}\n${lines.slice(begin, i).join("\n")}` });
  }
  return out;
}

function codeBlock(lines) {
  const [, fence, info] = kFence.exec(lines[0]);
  const closed = lines.length > 1 && lines.at(-1).trim().startsWith(fence[0].repeat(3)) && /^[`~\s]+$/.test(lines.at(-1));
  const source = lines.slice(1, closed ? -1 : undefined).join("\n");
  const code = el("code");
  addText(code, source);
  const button = el("button", { type: "button", text: "Copy", "aria-label": "Copy the code" });
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(source).then(() => { button.textContent = "Copied"; },
      () => { button.textContent = "Not allowed"; });
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  const name = el("span");
  addText(name, info.trim().split(/\s/)[0] || "text");
  return el("div", { class: "codeblock" }, el("div", {}, name, button),
    el("pre", { tabindex: "0", "aria-label": "Code", dir: "ltr" }, code));
}

function list(lines, depth) {
  const first = kItem.exec(lines[0]);
  const ordered = /\d/.test(first[2]);
  const node = el(ordered ? "ol" : "ul", ordered ? { start: parseInt(first[2], 10) } : {});
  const base = first[1].length;
  let item = null;
  const flush = () => {
    if (!item) return;
    const entry = el("li");
    render(entry, item, depth + 1);
    if (entry.childElementCount === 1 && entry.firstChild.tagName === "P") entry.replaceChildren(...entry.firstChild.childNodes);
    node.append(entry);
  };
  for (const line of lines) {
    const match = kItem.exec(line);
    if (match && match[1].length <= base + 1) {
      flush();
      item = [match[3]];
    } else if (item) {
      item.push(line.replace(new RegExp(`^ {0,${base + first[2].length + 1}}`), ""));
    }
  }
  flush();
  return node;
}

const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").slice(0, 64);
function table(lines) {
  const row = (line, tag) => el("tr", {}, ...cells(line).map((cell) => {
    const node = el(tag, tag === "th" ? { scope: "col" } : {});
    inline(node, cell.trim());
    return node;
  }));
  return el("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" }, el("table", {},
    el("thead", {}, row(lines[0], "th")), el("tbody", {}, ...lines.slice(2).map((line) => row(line, "td")))));
}

function node(block, depth) {
  const { kind, lines } = block;
  if (kind === "code") return codeBlock(lines);
  if (kind === "rule") return el("hr");
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
  inline(out, match ? match[2] : lines.join("\n"));
  return out;
}

function render(parent, lines, depth) {
  for (const block of blocks(lines.join("\n"))) parent.append(node(block, depth));
}

// Shows `text` in `parent`; of what is there already only what differs is made anew.
export function update(parent, text) {
  const wanted = blocks(text);
  const known = parent.blocks ?? [];
  let same = 0;
  while (same < wanted.length && same < known.length && wanted[same].source === known[same].source) same++;
  while (parent.childNodes.length > same) parent.lastChild.remove();
  for (const block of wanted.slice(same)) parent.append(node(block, 0));
  parent.blocks = wanted;
}
