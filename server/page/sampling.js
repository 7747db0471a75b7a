// The fields of a request that shape an answer: their inputs, their limits from the server's own
// description, and how they are sent.
import { el } from "./dom.js";

// name, label, what it does, step of the input; the names are the API's.
const kFields = [
  ["temperature", "Temperature", "0: always the likeliest token; higher: more varied", 0.05],
  ["top_p", "Top p", "draw among the likeliest that share this much probability", 0.01],
  ["top_k", "Top k", "draw among this many likeliest; 0: all", 1],
  ["min_p", "Min p", "leave out what is less likely than this part of the likeliest", 0.01],
  ["typical_p", "Typical p", "leave out the unusually likely and unlikely", 0.01],
  ["repetition_penalty", "Repetition penalty", "above 1: avoid tokens that were there", 0.01],
  ["presence_penalty", "Presence penalty", "above 0: avoid tokens of this answer", 0.1],
  ["frequency_penalty", "Frequency penalty", "the same, more for each time", 0.1],
  ["max_tokens", "Most tokens", "the answer is cut there", 1],
  ["min_tokens", "Fewest tokens", "the answer cannot end before", 1],
  ["seed", "Seed", "equal seeds, equal answers", 1],
];
const kRanges = { temperature: [0, 2], top_k: [-1, 1000], max_tokens: [1, 1000000], seed: [0, Number.MAX_SAFE_INTEGER],
  repetition_penalty: [0, 2] };  // what an input offers; the server's limits are wider
export const kNames = [...kFields.map(([name]) => name), "stop"];

export const kForms = [
  ["", "Free text"], ["json_object", "A JSON object"], ["json_schema", "JSON by a schema"], ["choice", "One of these lines"],
  ["regex", "A regular expression"], ["grammar", "A grammar (GBNF)"]];
const kFormHelp = {
  json_object: "Any JSON object.", json_schema: "The answer is JSON that this schema accepts.",
  choice: "One choice per line; the answer is one of them.", regex: "The whole answer matches it.",
  grammar: "Rules as llama.cpp writes them; the answer matches root." };
export const kFormExample = {
  json_schema: JSON.stringify({ type: "object", properties: { name: { type: "string" }, age: { type: "integer" } },
    required: ["name", "age"], additionalProperties: false }, null, 2),
  choice: "yes\nno", regex: "\\d{4}-\\d{2}-\\d{2}", grammar: 'root ::= "yes" | "no"' };
export const formHelp = (form) => kFormHelp[form] ?? "";

let properties = null;  // of the request in /openapi.json; null: not known
let defaults = {};      // the model's own, from /props
const listeners = [];
const known = (name) => !properties || (properties[name] && !properties[name].enum);

export function setDescription(openapi, props) {
  const found = openapi?.components?.schemas?.V1ChatCompletionsRequest?.properties;
  properties = typeof found === "object" && found ? found : null;
  defaults = props?.default_generation_settings?.params ?? {};
  for (const f of listeners) f();
}

function limits(name) {
  const own = properties?.[name] ?? {};
  const [low, high] = kRanges[name] ?? [own.minimum, own.maximum];
  return { min: Math.max(low ?? -1e9, own.minimum ?? -1e9), max: Math.min(high ?? 1e9, own.maximum ?? Infinity) };
}

// Inputs for all fields; their ids begin with `prefix`.
export function samplingInputs(prefix, isCompact = false) {
  const box = el("div", { class: isCompact ? "fields compact" : "fields" });
  const parts = kFields.map(([name, label, help, step]) => {
    const input = el("input", { type: "number", id: `${prefix}-${name}`, step, title: help,
      "aria-describedby": isCompact ? null : `${prefix}-${name}-help` });
    const root = el("div", {}, el("label", { for: input.id, text: label }), input,
      isCompact ? null : el("small", { class: "explain", id: `${prefix}-${name}-help`, text: help }));
    return { name, input, root };
  });
  const stop = el("textarea", { id: `${prefix}-stop`, rows: 2 });
  const stopRoot = el("div", {}, el("label", { for: stop.id, text: "Stop strings" }), stop,
    isCompact ? null : el("small", { class: "explain", text: "one per line; \\n is a line break" }));
  parts.push({ name: "stop", input: stop, root: stopRoot });
  const refresh = () => {
    for (const { name, input, root } of parts) {
      root.hidden = !known(name);
      if (name === "stop") continue;
      const { min, max } = limits(name);
      input.min = min;
      input.max = max;
      const usual = defaults[name];
      input.placeholder = Number.isFinite(usual) ? String(usual) : "";
    }
  };
  listeners.push(refresh);
  refresh();
  box.append(...parts.map((part) => part.root));
  return {
    root: box,
    read: () => Object.fromEntries(parts.filter(({ input }) => input.value !== "").map(({ name, input }) => [name, input.value])),
    write: (values) => { for (const { name, input } of parts) input.value = values[name] ?? ""; },
  };
}

// The request's fields for what was read from the inputs.
export function samplingFields(values) {
  const fields = {};
  for (const [name] of kFields) {
    const text = values[name];
    if (text !== undefined && text !== "" && Number.isFinite(Number(text)) && known(name)) fields[name] = Number(text);
  }
  const stop = (values.stop ?? "").split("\n").map((line) => line.replace(/\\n/g, "\n")).filter(Boolean);
  if (stop.length) fields.stop = stop;
  return fields;
}

// The request's fields for a form of the answer; throws with what is wrong.
export function formFields(form, text) {
  if (!form) return {};
  if (form === "json_object") return { response_format: { type: form } };
  if (!text.trim()) throw new Error("the answer's form needs its text");
  if (form === "json_schema") {
    const schema = JSON.parse(text);
    if (typeof schema !== "object" || schema === null || Array.isArray(schema)) throw new Error("a schema is a JSON object");
    return { response_format: { type: form, json_schema: { name: "answer", strict: true, schema } } };
  }
  const value = form === "choice" ? text.split("\n").filter((line) => line.trim()) : text;
  return { structured_outputs: { [form]: value } };
}
