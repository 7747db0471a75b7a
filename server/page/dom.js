// Small helpers over the DOM. Text only ever becomes text nodes: nothing here parses markup.

export const $ = (id) => document.getElementById(id);

// el("button", {class: "x", text: "y", on: {click: f}, title: "z"}, child, ...).
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  fill(node, props);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function svg(tag, props = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  fill(node, props);
  node.append(...children);
  return node;
}

function fill(node, props) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name === "on") for (const [event, f] of Object.entries(value)) node.addEventListener(event, f);
    else if (name === "style") for (const [key, v] of Object.entries(value)) node.style.setProperty(key, v);
    else node.setAttribute(name, value === true ? "" : value);
  }
}

// Calls f at the next frame after soon(), but never so often that it takes more than a fifth of the time.
export function paced(f) {
  let timer = 0, frame = 0, cost = 0;
  const run = () => {
    frame = 0;
    const began = performance.now();
    f();
    cost = performance.now() - began;
  };
  const wait = () => {
    timer = 0;
    frame = requestAnimationFrame(run);
  };
  return {
    soon() { if (!timer && !frame) timer = setTimeout(wait, Math.min(1000, 4 * cost)); },
    stop() {
      clearTimeout(timer);
      cancelAnimationFrame(frame);
    },
  };
}

let announced = 0;
// For screen readers.
export function announce(text) {
  clearTimeout(announced);
  announced = setTimeout(() => { $("announce").textContent = text; }, 60);
}

// A line under the header; empty takes it away.
export function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

const tip = () => $("tip");
export function showTip(anchor, ...content) {
  const box = tip();
  box.replaceChildren(...content);
  box.hidden = false;
  const at = anchor instanceof Element ? anchor.getBoundingClientRect() : anchor;
  const size = box.getBoundingClientRect();
  const left = Math.min(Math.max(4, at.left), innerWidth - size.width - 8);
  const below = at.bottom + 6 + size.height < innerHeight;
  box.style.left = `${left}px`;
  box.style.top = `${below ? at.bottom + 6 : Math.max(4, at.top - size.height - 6)}px`;
}
export function hideTip() { tip().hidden = true; }

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

// Sizes a canvas to its box at the screen's resolution; gives the context in CSS pixels.
export function prepare(canvas, height) {
  const width = canvas.clientWidth || 600;
  const ratio = window.devicePixelRatio || 1;
  const w = Math.round(width * ratio), h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 5000);
}

export const number = (value) => Math.round(value).toLocaleString("en-US");
