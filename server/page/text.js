// Text of others made safe to look at: what cannot be seen is shown, what is too long is cut.
import { el } from "./dom.js";

// Controls, bidirectional overrides, characters without width, and tags (invisible copies of ASCII).
// Joiners (U+200C, U+200D) stay: scripts and emoji need them; so do tags behind the black flag.
const kUnseen = /(?:[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u180e\u200b\u2028\u2029\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]|(?<!\u{1f3f4}[\u{e0020}-\u{e007f}]{0,8})[\u{e0000}-\u{e007f}])+/gu;
const kMarksMax = 500;

const code = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

function mark(run) {
  const all = [...run];
  const same = all.every((character) => character === all[0]);
  const text = all.length === 1 ? code(all[0]) : same ? `${code(all[0])} \u00d7${all.length}`
    : `${code(all[0])} and ${all.length - 1} more`;
  return el("span", { class: "control", title: "invisible characters", text });
}

// Appends `text` so that what is read is what is there.
export function addText(parent, text) {
  let at = 0, marks = 0;
  for (const match of text.matchAll(kUnseen)) {
    if (++marks > kMarksMax) {
      parent.append(text.slice(at).replace(kUnseen, "\ufffd"));
      return;
    }
    if (match.index > at) parent.append(text.slice(at, match.index));
    parent.append(mark(match[0]));
    at = match.index + match[0].length;
  }
  if (at < text.length) parent.append(text.slice(at));
}

// Shows `text` where `before` was shown; what is there stays when it only grew.
export function growText(parent, before, text) {
  if (!text.startsWith(before) || !parent.lastChild) {
    parent.replaceChildren();
    addText(parent, text);
    return;
  }
  const more = text.slice(before.length);
  kUnseen.lastIndex = 0;
  if (parent.lastChild.nodeType === 3 && more.search(kUnseen) < 0) parent.lastChild.appendData(more);
  else addText(parent, more);
}

// One line for labels, titles and messages.
export function plain(value, longest = 200) {
  const text = String(value ?? "").slice(0, 4 * longest).replace(kUnseen, "\ufffd").replace(/\s+/g, " ");
  return text.length > longest ? `${text.slice(0, longest)}\u2026` : text;
}
export const visible = (text) => text.replace(/\n/g, "\u21b5").replace(/\t/g, "\u21e5").replace(/^ | $/g, "\u2423")
  .replace(kUnseen, "\ufffd");
export const unseenAsMarks = (text) => text.replace(kUnseen, "\ufffd");

export const isText = (value) => typeof value === "string";
export const isCount = (value) => Number.isFinite(value) && value >= 0;

// A button that copies what `source` gives and says so.
export function copyButton(source, props = {}) {
  const label = props.text ?? "Copy";
  const button = el("button", { type: "button", text: label, ...props });
  const say = (text) => {
    button.textContent = text;
    setTimeout(() => { button.textContent = label; }, 1500);
  };
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source());
      say("Copied");
    } catch {
      say("Not allowed");
    }
  });
  return button;
}
