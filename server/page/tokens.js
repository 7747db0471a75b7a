// An answer as its tokens, coloured by probability; the alternatives show on hover or focus.
import { el, hideTip, showTip } from "./dom.js";
import { isText, unseenAsMarks, visible } from "./text.js";

const percent = (logprob) => `${(100 * Math.exp(logprob)).toFixed(logprob > -2.3 ? 1 : 2)} %`;
const kTopMax = 20;

// The class of a probability: the redder, the less likely.
function quality(logprob) {
  const p = Math.exp(logprob);
  return p < 0.1 ? "q0" : p < 0.3 ? "q1" : p < 0.6 ? "q2" : p < 0.9 ? "q3" : "q4";
}

const pair = (text, logprob) => (isText(text) && Number.isFinite(logprob) ? [text, logprob] : null);

// content: the `logprobs.content` of a chat's answer or chunk.
export const fromLogprobs = (content) => (Array.isArray(content) ? content : []).filter((it) => pair(it?.token, it?.logprob))
  .map((it) => ({ text: it.token, logprob: it.logprob,
    top: (it.top_logprobs ?? []).slice(0, kTopMax).map((other) => pair(other?.token, other?.logprob)).filter(Boolean) }));

// The same of a completion: {tokens, token_logprobs, top_logprobs}.
export const fromCompletion = (it) => (Array.isArray(it?.tokens) ? it.tokens : []).map((text, i) => ({ text, logprob: it.token_logprobs?.[i],
  top: Object.entries(it.top_logprobs?.[i] ?? {}).slice(0, kTopMax).filter(([, logprob]) => Number.isFinite(logprob)) }))
  .filter((token) => pair(token.text, token.logprob));

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
  const index = new WeakMap();  // element -> its place
  const point = (target) => {
    const token = tokens[index.get(target)];
    if (token) showTip(target, details(token));
  };
  box.addEventListener("mouseover", (event) => point(event.target));
  box.addEventListener("mouseout", hideTip);
  box.addEventListener("focusin", (event) => point(event.target));
  box.addEventListener("focusout", hideTip);
  box.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = step && box.children[index.get(event.target) + step];
    if (event.key === "Escape") hideTip();
    if (!next) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  return { box, add(more) {
    for (const token of more) {
      const text = unseenAsMarks(token.text);
      const node = el("span", { class: quality(token.logprob), text, role: "img", "aria-label": spoken(token),
        tabindex: tokens.length === 0 ? "0" : "-1" });
      box.append(node);
      index.set(node, tokens.length);
      tokens.push(token);
    }
  } };
}
