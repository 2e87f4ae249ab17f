// Elements, numbers and pictures. Text is only ever set as text: a name may hold anything.

export const words = JSON.parse(document.getElementById("words").textContent);

export function say(key, values = {}) {
  return (words[key] ?? key).replace(/\{(\w+)\}/g, (all, name) => values[name] ?? all);
}

export function make(tag, attributes = {}, ...children) {
  const svg = tag === "svg" || tag === "rect";
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  made.append(...children.filter((each) => each !== null && each !== undefined && each !== ""));
  return made;
}

const language = document.documentElement.lang;
const number = (value, digits) =>
  new Intl.NumberFormat(language, { maximumFractionDigits: digits, minimumFractionDigits: 0 }).format(value);

export function size(bytes) {
  let left = bytes;
  for (const unit of [words.bytes, "kB", "MB", "GB"]) {
    if (left < 1000 || unit === "GB") return `${number(left, left < 10 && unit !== words.bytes ? 1 : 0)} ${unit}`;
    left /= 1000;
  }
  return "";
}

export const rate = (bytes) => say("per", { size: size(bytes) });

export function time(seconds) {
  if (seconds < 10) return `${number(seconds, 1)} ${words.second}`;
  if (seconds < 100) return `${number(seconds, 0)} ${words.second}`;
  if (seconds < 5400) return `${number(seconds / 60, 0)} ${words.minutes}`;
  if (seconds < 172800) return `${number(seconds / 3600, 0)} ${words.hours}`;
  return `${number(seconds / 86400, 0)} ${words.days}`;
}

export function clock(epoch) {
  const at = new Date(epoch * 1000);
  const today = at.toDateString() === new Date().toDateString();
  const day = today ? {} : { month: "short", day: "numeric" };
  return new Intl.DateTimeFormat(language, { ...day, hour: "2-digit", minute: "2-digit", second: today ? "2-digit" : undefined, hour12: false }).format(at);
}

export const percent = (share, digits = 0) => say("percent", { n: number(100 * share, digits) });

export function shown(source) {
  return source === "" ? words.earlier : source === "origin" ? words.origin : source;
}

// One colour a source for as long as the page is open; the official source has the first.
const colours = new Map([["origin", 0]]);
export function colour(source) {
  if (source === "" || source === "other") return "s7";
  if (!colours.has(source)) colours.set(source, 1 + ((colours.size - 1) % 6));
  return `s${colours.get(source)}`;
}

export const key = (source) => make("span", { class: `key ${colour(source)}`, "aria-hidden": "true" });

const rect = (x, y, width, height, kind) => make("rect", { x, y, width, height, class: kind });

export function picture(each) {
  const svg = make("svg", { class: "bar", viewBox: "0 0 1000 34", preserveAspectRatio: "none", role: "img" });
  const at = (offset) => (1000 * offset) / each.size;
  for (const [source, start, here, end] of each.flows)
    if (end > here) svg.append(rect(at(here), 0, at(end) - at(here), 34, `flow ${colour(source)}`));
  for (const [start, end, source] of each.parts)
    svg.append(rect(at(start), 0, Math.max(1.5, at(end) - at(start)), 34, colour(source)));
  return svg;
}

export function columns(told, most) {
  const svg = make("svg", { class: "columns", viewBox: `0 0 ${told.length * 10} 100`, preserveAspectRatio: "none", role: "img" });
  told.forEach((column, index) => {
    let top = 100;
    svg.append(rect(index * 10 + 1, 99, 8, 1, "s7"));
    for (const [source, count] of Object.entries(column).sort()) {
      const height = (97 * count) / most;
      top -= height;
      svg.append(rect(index * 10 + 1, top, 8, height, colour(source)));
    }
  });
  return svg;
}

export function bar(share, label) {
  const svg = make("svg", { class: "bar thin", viewBox: "0 0 1000 12", preserveAspectRatio: "none", role: "img", "aria-label": label });
  svg.append(rect(0, 0, 1000 * Math.min(1, share), 12, "s0"));
  return svg;
}
