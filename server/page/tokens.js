// An answer as its tokens, coloured by probability; the alternatives show on hover or focus.
import { el, hideTip, showTip } from "./dom.js";

const percent = (logprob) => `${(100 * Math.exp(logprob)).toFixed(logprob > -2.3 ? 1 : 2)} %`;
const visible = (text) => text.replace(/\n/g, "\u21b5").replace(/\t/g, "\u21e5").replace(/^ | $/g, "\u2423")
  .replace(/[\u202a-\u202e\u2066-\u2069]/g, "\ufffd");

// The class of a probability: the redder, the less likely.
function quality(logprob) {
  const p = Math.exp(logprob);
  return p < 0.1 ? "q0" : p < 0.3 ? "q1" : p < 0.6 ? "q2" : p < 0.9 ? "q3" : "q4";
}

// content: the `logprobs.content` of an answer or a chunk.
export const fromLogprobs = (content) => content.map((entry) => ({
  text: String(entry.token), logprob: Number(entry.logprob),
  top: (entry.top_logprobs ?? []).map((other) => [String(other.token), Number(other.logprob)]) }));

function details(token) {
  const rows = token.top.length ? token.top : [[token.text, token.logprob]];
  const shown = rows.some(([text]) => text === token.text) ? rows : [...rows, [token.text, token.logprob]];
  return el("table", {}, el("tbody", {}, ...shown.map(([text, logprob]) =>
    el("tr", { class: text === token.text ? "picked" : "" }, el("td", { class: "mono", text: visible(text) }),
      el("td", { text: percent(logprob) })))));
}

const spoken = (token) => `${visible(token.text)}, ${percent(token.logprob)}` + token.top
  .filter(([text]) => text !== token.text).map(([text, p]) => `; ${visible(text)} ${percent(p)}`).join("");

// One tab stop; the arrow keys go from token to token.
export function tokenView() {
  const box = el("div", { class: "tokens", role: "group", "aria-label": "Tokens with probabilities; use the arrow keys" });
  const tokens = [];
  const point = (target) => {
    const token = tokens[[...box.children].indexOf(target)];
    if (token) showTip(target, details(token));
  };
  box.addEventListener("mouseover", (event) => point(event.target));
  box.addEventListener("mouseout", hideTip);
  box.addEventListener("focusin", (event) => point(event.target));
  box.addEventListener("focusout", hideTip);
  box.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = step && box.children[[...box.children].indexOf(event.target) + step];
    if (event.key === "Escape") hideTip();
    if (!next) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  return { box, add(more) {
    for (const token of more) {
      const text = token.text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
      box.append(el("span", { class: quality(token.logprob), text, role: "img", "aria-label": spoken(token),
        tabindex: tokens.length === 0 ? "0" : "-1" }));
      tokens.push(token);
    }
  } };
}
