// The live page: asks for a snapshot, then follows the gateway's events and draws what they say.

import { bar, clock, colour, columns, key, make, percent, picture, rate, say, shown, size, time, words } from "./drawing.js";

const $ = (id) => document.getElementById(id);
let stream = null;
let seal = "";
let seen = 0;
let state = null;
let store = null;
let busy = 0;
let span = "minute";
let kinds = "all";
let happened = [];
let most = 60;
let said = "";

// ------------------------------------------------------------------ the way in

function word() {
  try {
    return sessionStorage.getItem("headrace-word") ?? "";
  } catch {
    return "";
  }
}

async function ask(path, headers = {}, method = "GET") {
  const held = word();
  return fetch(path, { method, headers: { ...(held ? { "x-headrace-word": held } : {}), ...headers }, credentials: "same-origin", cache: "no-store" });
}

// A code in the address is shown once and leaves the address at once.
async function enter() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (!code) return "";
  history.replaceState(null, "", location.pathname + location.search);
  const answer = await ask("enter", { "x-headrace-code": code }, "POST");
  if (!answer.ok) return say("locked_code");
  sessionStorage.setItem("headrace-word", (await answer.json()).word);
  return "";
}

async function begin() {
  let why = "";
  try {
    why = await enter();
    const answer = await ask("snapshot");
    if (answer.status === 403) return lock(why);
    if (!answer.ok) throw new Error(String(answer.status));
    take(await answer.json());
  } catch {
    standing("bad", say("lost"));
    setTimeout(begin, 3000);
    return;
  }
  follow();
}

function lock(why) {
  $("locked").hidden = false;
  $("shown").hidden = true;
  $("why-locked").textContent = why;
  standing("warn", say("locked_title"));
}

function take(told) {
  seal = told.seal ?? "";
  seen = told.newest;
  happened = told.events.reverse();
  $("locked").hidden = true;
  $("shown").hidden = false;
  state = told.state;
  if (told.store) drawStore(told.store);
  drawState();
  drawNow(told.now);
  drawTimeline();
}

function follow() {
  if (stream || document.hidden) return;
  stream = new EventSource(`events?seen=${seen}&word=${encodeURIComponent(word())}`);
  const on = (name, act) => stream.addEventListener(name, (event) => act(JSON.parse(event.data)));
  on("begin", (told) => {
    said = "";
    // The worker is another one, and counts from the beginning.
    if (told.anew && seen) { leave(); begin(); } else tellStanding();
  });
  on("state", (told) => { state = told; drawState(); });
  on("store", drawStore);
  on("now", drawNow);
  on("events", (told) => {
    happened.unshift(...told.filter((each) => each.number > seen).reverse());
    happened.length = Math.min(happened.length, 10000);
    seen = told.at(-1)?.number ?? seen;
    drawTimeline();
  });
  stream.onerror = () => {
    said = "";
    standing("bad", say("lost"));
    if (stream?.readyState === EventSource.CLOSED) { leave(); setTimeout(begin, 3000); }
  };
}

function leave() {
  stream?.close();
  stream = null;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) { leave(); said = ""; standing("wait", say("asleep")); } else if (!$("shown").hidden) follow();
});

// ------------------------------------------------------------------ what it says

function standing(is, text) {
  const told = $("standing");
  if (said === is + text) return;
  said = is + text;
  told.dataset.is = is;
  told.textContent = text;
}

function tellStanding() {
  const own = state.sources.find((each) => each.own && ["fails", "silent"].includes(each.state));
  const wrong = (state.tools ?? []).filter((each) => ["overridden", "broken", "silent"].includes(each.state)).length;
  if (own) standing("warn", say("live_own", { source: own.id }));
  else if (wrong) standing("warn", say("live_trouble", { n: wrong }));
  else if (busy) standing("good", say("live_busy", { n: busy }));
  else standing("good", say("live"));
}

function replace(place, ...children) {
  place.replaceChildren(...children.filter(Boolean));
}

const note = (text) => make("p", { class: "note" }, text);

function drawNow(told) {
  busy = told.downloads.length;
  const empty = state.all ? say("nothing_now") : say("common");
  replace($("now"), ...(busy ? told.downloads.map(download) : [make("p", { class: "soft" }, empty)]));
  document.title = busy ? `(${busy}) headrace` : "headrace";
  tellStanding();
}

function download(each) {
  const tools = each.tools.join(", ") || each.ecosystem;
  const whole = each.size !== null && each.here >= each.size;
  const left = each.size && each.rate ? (each.size - each.here) / each.rate : null;
  const facts = [
    each.size ? say("of", { here: size(each.here), size: size(each.size) }) : size(each.here),
    each.rate ? rate(each.rate) : null,
    say("for_tool", { tool: tools }),
  ];
  const when = whole ? say("checking") : left !== null ? say("left", { time: time(left) }) : say("waiting");
  const rates = new Map();
  for (const [source, , , , speed] of each.flows) rates.set(source, (rates.get(source) ?? 0) + speed);
  const sources = [...new Set([...Object.keys(each.given), ...rates.keys()])];
  const made = make("article", { class: "download" },
    make("div", { class: "row" }, make("h3", {}, each.name), make("span", { class: "left" }, when)),
    make("p", { class: "facts" }, facts.filter(Boolean).join(" · ")));
  if (each.size) {
    const drawn = picture(each);
    drawn.setAttribute("aria-label", say("picture", {
      name: each.name, percent: Math.floor((100 * each.here) / each.size), sources: sources.map(shown).join(", "),
    }));
    made.append(drawn);
  }
  made.append(make("ul", { class: "legend" }, ...sources.map((source) =>
    make("li", {}, key(source), `${shown(source)}: ${size(each.given[source] ?? 0)}${rates.get(source) ? `, ${rate(rates.get(source))}` : ""}`))));
  if (each.held_back) made.append(note(say("held_back", { tool: tools })));
  return made;
}

function drawState() {
  drawSaved();
  drawTraffic();
  drawSources();
  drawTools();
  replace($("builds"), ...(state.builds.length ? state.builds.flatMap(build) : [make("p", { class: "soft" }, say("builds_none"))]));
  $("foot").textContent = say("foot", { version: state.version, since: clock(state.since) });
  tellStanding();
}

function build(each) {
  return [
    make("p", { class: each.trouble ? "warn" : "" }, make("strong", {}, each.project), " ", each.why),
    each.unused ? note(each.unused) : null,
    ...each.warnings.map(note),
  ].filter(Boolean);
}

function drawSaved() {
  const parts = [];
  const alone = (each) => each.bytes / each.rate;
  const known = state.saved.filter((each) => each.by_itself);
  if (known.length) {
    const sum = (value) => known.reduce((all, each) => all + value(each), 0);
    const took = sum((each) => each.took);
    const more = sum(alone) - took;
    parts.push(make("p", { class: "big" }, say(more >= 0 ? "saved_big" : "saved_more", { time: time(Math.abs(more)) })));
    parts.push(make("p", {}, say("saved_text", { took: time(took), alone: time(took + more), size: size(sum((each) => each.bytes)), n: sum((each) => each.files) })));
  }
  for (const each of state.saved.filter((one) => !one.by_itself))
    parts.push(make("p", {}, say("saved_shared", { took: time(each.took), alone: time(alone(each)), size: size(each.bytes), n: each.files, rate: rate(each.rate) })));
  if (!parts.length) parts.push(make("p", { class: "soft" }, say("saved_none")));
  const { files, bytes, from_store: stored } = state.totals;
  parts.push(note(say("totals", { size: size(bytes), n: files, since: clock(state.since), stored })));
  for (const kind of ["stale", "provisional"])
    if (state.weak[kind]) parts.push(note(say(`weak_${kind}`, { n: state.weak[kind] })));
  replace($("saved"), ...parts);
}

function drawTraffic() {
  const told = state.traffic[span];
  const sums = {};
  for (const column of told) for (const [source, count] of Object.entries(column)) sums[source] = (sums[source] ?? 0) + count;
  const ranked = Object.entries(sums).filter(([, count]) => count).sort((a, b) => b[1] - a[1]);
  if (!ranked.length) return replace($("traffic"), make("p", { class: "soft" }, say("traffic_none")));
  const most = Math.max(...told.map((column) => Object.values(column).reduce((a, b) => a + b, 0)));
  ranked.forEach(([source]) => colour(source));
  const drawn = columns(told, most);
  drawn.setAttribute("aria-label", say("traffic_picture", { told: ranked.map(([source, count]) => `${shown(source)} ${size(count)}`).join(", ") }));
  replace($("traffic"), drawn,
    make("div", { class: "axis", "aria-hidden": "true" }, make("span", {}, say(`ago_${span}`)), make("span", {}, say("just_now"))),
    make("ul", { class: "legend" }, ...ranked.map(([source, count]) => make("li", {}, key(source), `${shown(source)}: ${size(count)}`))));
}

const didWhat = (fault) => say(`fault_${fault.replaceAll("-", "_")}`);

function sourceState(each) {
  const parts = [];
  const kind = { delivers: "good", fails: "bad", silent: "bad" }[each.state] ?? "soft";
  let text = say(`state_${each.state}`);
  if (each.fault && kind === "bad") text = didWhat(each.fault);
  parts.push(make("span", { class: kind }, text));
  if (each.paused_until) {
    const until = clock(each.paused_until);
    parts.push(make("div", { class: "soft" }, say("paused_plain", { time: until })));
  }
  if (each.stale) parts.push(make("div", { class: "soft" }, say("stale")));
  return make("div", {}, ...parts);
}

function drawSources() {
  if (!state.sources.length) return replace($("sources"), make("p", { class: "soft" }, say("sources_none")));
  const heads = ["source", "rate", "rtt", "failures", "given", "stands"];
  const numbers = new Set(["rate", "rtt", "failures", "given"]);
  const cell = (name, ...children) => make("td", { role: "cell", class: numbers.has(name) ? "number" : null, "data-label": say(name) }, ...children);
  replace($("sources"), make("table", { role: "table", "aria-labelledby": "h-sources" },
    make("thead", { role: "rowgroup" }, make("tr", { role: "row" }, ...heads.map((name) => make("th", { scope: "col", role: "columnheader", class: numbers.has(name) ? "number" : null }, say(name))))),
    make("tbody", { role: "rowgroup" }, ...state.sources.map((each) => make("tr", { role: "row" },
      make("th", { scope: "row", role: "rowheader" }, make("span", { class: "dot" }, key(each.id), shown(each.id) + (each.own ? ` (${say("yours")})` : ""))),
      cell("rate", each.rate ? rate(each.rate) : say("unmeasured")),
      cell("rtt", each.rtt === null ? say("unmeasured") : `${Math.max(1, Math.round(1000 * each.rtt))} ms`),
      cell("failures", make("span", { class: each.failures > 0.2 ? "warn" : null }, percent(each.failures))),
      cell("given", each.bytes ? size(each.bytes) : say("unmeasured")),
      cell("stands", sourceState(each)))))));
}

function drawTools() {
  if (!state.tools) return;
  const here = state.tools.filter((each) => each.state !== "not_found");
  const absent = state.tools.length - here.length;
  const kind = { routed: "good", overridden: "warn", broken: "bad", silent: "bad" };
  const rows = here.map((each) => make("li", {},
    make("div", { class: "row" }, make("strong", {}, each.tool), make("span", { class: kind[each.state] ?? "soft" }, say(`tool_${each.state}`))),
    ...each.wins.flatMap((wins) => [note(say("tool_wins", wins)), wins.hint ? note(wins.hint) : ""])));
  replace($("tools"), rows.length ? make("ul", { class: "tools" }, ...rows) : make("p", { class: "soft" }, state.all ? say("tools_none") : say("common")),
    absent ? note(say("tools_absent", { n: absent })) : null, rows.length ? note(say("tools_note")) : null);
}

// ------------------------------------------------------------------ what happened

const marks = { finished: ["✓", "good"], takeover: ["⇄", "warn"], refusal: ["✕", "bad"], incident: ["!", "warn"] };

function sentence({ each, files }) {
  const what = files.size > 2 ? say("files", { n: files.size }) : [...files].join(", ");
  if (each.kind === "finished") {
    const names = Object.keys(each.given).map(shown);
    const sources = names.length > 3 ? say("sources_and", { n: names.length }) : names.join(", ") || say("earlier");
    return say("e_finished", { what, size: size(each.size), time: time(each.seconds), rate: rate(each.size / Math.max(each.seconds, 0.001)), sources });
  }
  if (each.kind === "incident") return each.known?.form ? say(`i_${each.known.form}`, each.known) : say("e_incident", { what });
  return say(`e_${each.kind}`, { what, source: shown(each.source), did: didWhat(each.fault) });
}

// What one source did over and over is one line, with how often.
function lines() {
  const rows = [];
  for (const each of happened) {
    if (kinds !== "all" && each.kind === "finished") continue;
    const last = rows.at(-1);
    const same = last && each.source && ["kind", "source", "fault"].every((name) => last.each[name] === each[name]);
    if (!same) rows.push({ each, files: new Set([each.what]), count: 1 });
    else {
      last.count += 1;
      last.files.add(each.what);
    }
  }
  return rows;
}

function line(row) {
  const [mark, kind] = marks[row.each.kind];
  return make("li", { "data-kind": row.each.kind },
    make("time", { datetime: new Date(row.each.at * 1000).toISOString() }, clock(row.each.at)),
    make("span", { class: `mark ${kind}`, "aria-hidden": "true" }, mark),
    make("span", { class: "told" }, make("span", { class: "hidden" }, `${say(`kind_${row.each.kind}`)}: `), sentence(row),
      row.count > 1 ? ` (${say("times", { n: row.count })})` : ""));
}

function drawTimeline() {
  const rows = lines().slice(0, most).map(line);
  const nothing = () => make("li", {}, make("span"), make("span"), make("span", { class: "soft" }, state.all ? say("no_events") : say("common")));
  replace($("timeline"), ...(rows.length ? rows : [nothing()]));
  $("older").hidden = rows.length < most && (!happened.length || happened.at(-1).number <= 1);
}

$("older").addEventListener("click", async () => {
  most += 60;
  if (lines().length >= most) return drawTimeline();
  const answer = await ask(`history?before=${happened.at(-1).number}`);
  const older = answer.ok ? (await answer.json()).events : [];
  happened.push(...older);
  drawTimeline();
  if (!older.length && lines().length < most) $("older").hidden = true;
});

function choose(name, act) {
  const buttons = document.querySelectorAll(`button[data-${name}]`);
  for (const each of buttons) each.addEventListener("click", () => {
    for (const other of buttons) other.setAttribute("aria-pressed", String(other === each));
    act(each.dataset[name]);
  });
}
choose("window", (chosen) => { span = chosen; drawTraffic(); });
choose("kind", (chosen) => { kinds = chosen; drawTimeline(); });

// ------------------------------------------------------------------ what a click can free

let freedText = "";

function drawStore(told) {
  store = told;
  const label = say("store_bar", { used: size(told.used), limit: size(told.limit) });
  const buttons = told.free.filter((each) => each.bytes > 0).map((each) => {
    const days = Math.round(each.unused_for / 86400);
    const text = days ? say("store_free", { size: size(each.bytes), n: days }) : say("store_all", { size: size(each.bytes) });
    const button = make("button", { type: "button", "data-unused-for": each.unused_for }, text);
    button.addEventListener("click", () => confirm(each, days));
    return button;
  });
  replace($("store"), make("p", { class: "big" }, say("store_used", { used: size(told.used), limit: size(told.limit) })),
    bar(told.used / told.limit, label), note(say("store_where", { folder: told.folder })),
    buttons.length ? make("div", { class: "frees" }, ...buttons) : null,
    make("p", { class: "note", role: "status", id: "freed" }, freedText));
}

function confirm(each, days) {
  const dialog = $("ask");
  $("ask-title").textContent = say("ask_title", { size: size(each.bytes) });
  $("ask-text").textContent = days ? say("ask_days", { n: days }) : say("ask_all");
  $("ask-no").onclick = () => dialog.close();
  $("ask-yes").onclick = async () => {
    dialog.close();
    const answer = await ask("store", { "x-headrace-seal": seal, "x-headrace-unused-for": String(each.unused_for) }, "POST");
    freedText = answer.ok ? say("freed", { size: size((await answer.json()).freed) }) : say("not_freed", { why: await answer.text() });
    drawStore(store);
  };
  dialog.showModal();
}

const current = document.documentElement.lang.slice(0, 2);
for (const each of document.querySelectorAll("nav a")) if (each.lang === current) each.setAttribute("aria-current", "true");
begin();
