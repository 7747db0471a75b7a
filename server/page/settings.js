// The settings of a conversation: system prompt, sampling, tools.
import { $, el } from "./dom.js";

// name, label, lowest, highest, step; the names are the API's.
const kFields = [
  ["temperature", "Temperature", 0, 2, 0.05], ["top_p", "Top p", 0, 1, 0.01], ["top_k", "Top k", -1, 1000, 1],
  ["min_p", "Min p", 0, 1, 0.01], ["repetition_penalty", "Repetition penalty", 0, 2, 0.01],
  ["presence_penalty", "Presence penalty", -2, 2, 0.1], ["frequency_penalty", "Frequency penalty", -2, 2, 0.1],
  ["max_tokens", "Most tokens", 1, 1000000, 1], ["seed", "Seed", 0, 9007199254740991, 1],
];

const kExample = [{ type: "function", function: { name: "get_weather", description: "The weather of a place",
  parameters: { type: "object", properties: { place: { type: "string" } }, required: ["place"] } } }];

// The tools as an array; throws with what is wrong.
export function parseTools(text) {
  if (!text.trim()) return [];
  const tools = JSON.parse(text);
  if (!Array.isArray(tools)) throw new Error("the tools must be a JSON array");
  tools.forEach((tool, i) => {
    if (tool?.type !== "function" || typeof tool.function?.name !== "string") {
      throw new Error(`tool ${i + 1} needs "type": "function" and a "function" with a "name"`);
    }
  });
  return tools;
}

// The request's fields that the settings stand for.
export function requestFields(settings) {
  const fields = {};
  for (const [name] of kFields) {
    const text = settings.sampling[name];
    if (text !== undefined && text !== "" && Number.isFinite(Number(text))) fields[name] = Number(text);
  }
  const stop = (settings.sampling.stop ?? "").split("\n").map((line) => line.replace(/\\n/g, "\n")).filter(Boolean);
  if (stop.length) fields.stop = stop;
  if (settings.logprobs) Object.assign(fields, { logprobs: true, top_logprobs: 5 });
  const tools = parseTools(settings.tools);
  if (tools.length) fields.tools = tools;
  return fields;
}

export function summary(settings) {
  const set = Object.entries(settings.sampling).filter(([, value]) => value !== "").map(([name, value]) =>
    `${name} ${value.replace(/\n/g, ", ")}`);
  if (settings.system) set.unshift("system prompt");
  if (settings.tools.trim()) set.push("tools");
  return set.join(" \u00b7 ");
}

export function setUpSettings(current, changed) {
  const input = (name) => $(`set-${name}`);
  for (const [name, label, min, max, step] of kFields) {
    $("sampling").append(el("label", { text: label }, el("input", { type: "number", id: `set-${name}`, min, max, step })));
  }
  $("sampling").append(el("label", { text: "Stop strings, one per line" }, el("textarea", { id: "set-stop", rows: 2 })));
  const names = [...kFields.map(([name]) => name), "stop"];

  $("settings-open").addEventListener("click", () => {
    const settings = current();
    input("system").value = settings.system;
    input("tools").value = settings.tools;
    input("logprobs").checked = settings.logprobs;
    for (const name of names) input(name).value = settings.sampling[name] ?? "";
    checkTools();
    $("settings").showModal();
  });
  const checkTools = () => {
    try {
      parseTools(input("tools").value);
      $("tools-error").textContent = "";
    } catch (error) {
      $("tools-error").textContent = error.message;
    }
    input("tools").setAttribute("aria-invalid", String($("tools-error").textContent !== ""));
  };
  input("tools").addEventListener("input", checkTools);
  $("tools-example").addEventListener("click", () => {
    input("tools").value = JSON.stringify(kExample, null, 2);
    checkTools();
  });
  $("settings").addEventListener("close", () => {
    const settings = current();
    settings.system = input("system").value;
    settings.tools = input("tools").value;
    settings.logprobs = input("logprobs").checked;
    for (const name of names) {
      if (input(name).value !== "") settings.sampling[name] = input(name).value;
      else delete settings.sampling[name];
    }
    changed();
  });
}
