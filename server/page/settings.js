// The settings of a conversation: system prompt, sampling, the answer's form, tools.
import { $, el } from "./dom.js";
import { formFields, formHelp, kFormExample, kForms, samplingFields, samplingInputs } from "./sampling.js";

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

// The request's fields that the settings stand for; throws with what is wrong.
export function requestFields(settings) {
  const fields = { ...samplingFields(settings.sampling), ...formFields(settings.form, settings.formText) };
  if (settings.logprobs) Object.assign(fields, { logprobs: true, top_logprobs: 5 });
  const tools = parseTools(settings.tools);
  if (tools.length) fields.tools = tools;
  return fields;
}

export function summary(settings) {
  const set = Object.entries(settings.sampling).filter(([, value]) => value !== "").map(([name, value]) =>
    `${name.replaceAll("_", " ")} ${value.replace(/\n/g, ", ")}`);
  if (settings.system) set.unshift("system prompt");
  if (settings.form) set.push(kForms.find(([form]) => form === settings.form)?.[1].toLowerCase() ?? "");
  if (settings.tools.trim()) set.push("tools");
  return set.join(" \u00b7 ");
}

// Shows at `output` what is wrong with the field, as long as it is.
function check(field, output, f) {
  let wrong = "";
  try {
    f();
  } catch (error) {
    wrong = error.message;
  }
  output.textContent = wrong;
  field.setAttribute("aria-invalid", String(wrong !== ""));
}

export function setUpSettings(current, changed) {
  const input = (name) => $(`set-${name}`);
  const sampling = samplingInputs("set");
  $("sampling").append(sampling.root);
  input("form").append(...kForms.map(([value, text]) => el("option", { value, text })));

  const checkTools = () => check(input("tools"), $("tools-error"), () => parseTools(input("tools").value));
  const checkForm = () => {
    const form = input("form").value;
    $("form-help").textContent = formHelp(form);
    $("form-rest").hidden = !(form in kFormExample);
    check(input("form-text"), $("form-error"), () => formFields(form, input("form-text").value));
  };
  input("tools").addEventListener("input", checkTools);
  input("form").addEventListener("change", () => {
    const known = Object.values(kFormExample);
    const text = input("form-text");
    if (!text.value.trim() || known.includes(text.value)) text.value = kFormExample[input("form").value] ?? "";
    checkForm();
  });
  input("form-text").addEventListener("input", checkForm);
  $("tools-example").addEventListener("click", () => {
    input("tools").value = JSON.stringify(kExample, null, 2);
    checkTools();
  });

  $("settings-open").addEventListener("click", () => {
    const settings = current();
    input("system").value = settings.system;
    input("tools").value = settings.tools;
    input("logprobs").checked = settings.logprobs;
    input("form").value = settings.form;
    input("form-text").value = settings.formText;
    sampling.write(settings.sampling);
    checkTools();
    checkForm();
    $("settings").showModal();
  });
  $("settings").addEventListener("close", () => {
    const settings = current();
    settings.system = input("system").value;
    settings.tools = input("tools").value;
    settings.logprobs = input("logprobs").checked;
    settings.form = input("form").value;
    settings.formText = settings.form ? input("form-text").value : "";
    settings.sampling = sampling.read();
    changed();
  });
}
