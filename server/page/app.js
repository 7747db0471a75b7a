// Joins the parts: views, colours, the key, the state of the server.
import { askForKey, getJson, onKey } from "./api.js";
import { setCapabilities, setUpChat } from "./chat.js";
import { $ } from "./dom.js";
import { setUpEngine, watch } from "./engine.js";
import { setDescription } from "./sampling.js";
import { plain } from "./text.js";
import { setBenchCapabilities, setUpWorkbench } from "./workbench.js";

const kHealthMs = 10000;
const kViews = ["chat", "bench", "engine", "both"];
const kMainField = { chat: "input", bench: "bench-prompt", engine: "engine", both: "input" };

function stored(name, choices, otherwise) {
  const value = localStorage.getItem(name);
  return choices.includes(value) ? value : otherwise;
}

const darkScreen = matchMedia("(prefers-color-scheme: dark)");
function setTheme(choice) {
  const theme = choice === "auto" ? (darkScreen.matches ? "dark" : "light") : choice;
  document.documentElement.dataset.theme = theme;
  $("theme").value = choice;
  window.dispatchEvent(new Event("quire-theme"));
}

const narrow = matchMedia("(max-width: 1099px)");
let view = "chat";
const engineVisible = () => view === "engine" || view === "both";
function setView(wanted) {
  view = kViews.includes(wanted) ? wanted : "chat";
  if (view === "both" && narrow.matches) view = "chat";
  $("views").dataset.view = view;
  for (const button of document.querySelectorAll(".views button")) {
    button.setAttribute("aria-pressed", String(button.dataset.view === view));
  }
  watch(engineVisible());
}

async function askModel() {
  const list = await getJson("v1/models").catch(() => null);
  if (!list) return false;
  const model = list.data?.[0] ?? {};
  const name = plain(model.id, 80);
  $("model").textContent = name;
  $("model").title = name;
  document.title = name ? `${name} \u00b7 Quire` : "Quire";
  const capabilities = Array.isArray(model.capabilities) ? model.capabilities.map(String) : [];
  const chats = setCapabilities(capabilities);
  setBenchCapabilities(capabilities);
  if (!chats && view === "chat") setView("bench");
  setDescription(...await Promise.all(["openapi.json", "props"].map((path) => getJson(path).catch(() => null))));
  return true;
}

let modelKnown = false;
async function checkHealth() {
  let text = "";
  try {
    const response = await fetch("readyz", { cache: "no-store", credentials: "omit" });
    if (response.ok) text = "ready";
    else text = plain((await response.json()).error?.message ?? `status ${response.status}`);
    if (response.ok && !modelKnown) modelKnown = await askModel();
  } catch {
    text = "the server cannot be reached";
  }
  if ($("health").textContent !== text) $("health").textContent = text;
}

setTheme(stored("quire.theme", ["auto", "light", "dark"], "auto"));
darkScreen.addEventListener("change", () => setTheme(stored("quire.theme", ["auto", "light", "dark"], "auto")));
$("theme").addEventListener("change", () => {
  localStorage.setItem("quire.theme", $("theme").value);
  setTheme($("theme").value);
});
$("key-open").addEventListener("click", askForKey);
onKey(async () => { modelKnown = await askModel(); });

setUpChat();
setUpWorkbench();
$("skip").addEventListener("click", (event) => {
  event.preventDefault();
  $(kMainField[view]).focus();
});
setUpEngine(engineVisible);
for (const button of document.querySelectorAll(".views button")) {
  button.addEventListener("click", () => {
    localStorage.setItem("quire.view", button.dataset.view);
    history.replaceState(null, "", `#${button.dataset.view}`);
    setView(button.dataset.view);
  });
}
window.addEventListener("hashchange", () => { if (kViews.includes(location.hash.slice(1))) setView(location.hash.slice(1)); });
narrow.addEventListener("change", () => setView(view));
setView(kViews.includes(location.hash.slice(1)) ? location.hash.slice(1) : stored("quire.view", kViews, "chat"));
checkHealth();
setInterval(checkHealth, kHealthMs);
