// Asks for /state once a second, and shows it. Whatever comes from there is text, never markup:
// apps choose the names in it.

const EVERY = 1000; // milliseconds
const LONGEST = 5000;
const SVG = "http://www.w3.org/2000/svg";

const NOTHING = "–";
// What turns text around, with all that comes after it.
const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;

const byId = (id) => document.getElementById(id);

// --- making elements ---------------------------------------------------------------------------

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function drawn(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function setText(node, text) {
  const shown = text.replace(TURNS, "");
  if (node.textContent !== shown) node.textContent = shown;
}

function setAttribute(node, name, value) {
  if (!value) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// --- words ---------------------------------------------------------------------------------------

const count = (value) => Math.round(value).toLocaleString("en-US");

function duration(seconds) {
  if (seconds === null || seconds === undefined) return NOTHING;
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.5) return `${seconds.toFixed(1)} s`;
  if (seconds < 5999) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${count(seconds / 86400)} days`;
}

const age = (seconds) => (seconds < 100 ? `${Math.floor(seconds)} s` : duration(seconds));
const ago = (seconds) => (seconds < 1 ? "now" : `${age(seconds)} ago`);
const clockTime = (time) => new Date(time * 1000).toLocaleTimeString("en-GB");
const listed = (...words) => words.filter(Boolean).join(" · ");

function rate(value) {
  if (value === null || value === undefined) return NOTHING;
  return value >= 9.95 ? count(value) : value.toFixed(1);
}

function bytes(value) {
  if (value < 1e3) return `${count(value)} ${value === 1 ? "byte" : "bytes"}`;
  const [size, unit] = value < 999.5e3 ? [1e3, "kB"] : value < 999.5e6 ? [1e6, "MB"] : [1e9, "GB"];
  return `${rate(value / size)} ${unit}`;
}

const counted = (value, word) => `${count(value)} ${value === 1 ? word : `${word}s`}`;

/** What calls sent and got besides tokens, in words, as `wording.py` has it. */
function amounts({ texts, characters, audio_seconds: audio, images, media_bytes: size }) {
  return [
    texts ? counted(texts, "text") : "",
    characters && !texts && !images ? counted(characters, "character") : "",
    audio ? `${duration(audio)} of audio` : "",
    images ? counted(images, "image") : "",
    size ? bytes(size) : "",
  ].filter(Boolean);
}

const OUTCOMES = {
  ok: ["✓ answered", "good"],
  refused: ["⊘ refused", "warn"],
  failed: ["✗ failed", "bad"],
  broken_off: ["✗ broken off", "bad"],
  cancelled: ["– app left", "quiet"],
};

const BREAKERS = {
  closed: ["✓ in use", "good"],
  open: ["✗ left alone after repeated failures", "bad"],
  "half-open": ["… being tried again", "warn"],
};

// --- pieces of tables ----------------------------------------------------------------------------

const name = (text) => (text ? { text, kind: "name" } : { text: NOTHING });

function cellText(part) {
  return typeof part === "string" ? { text: part } : part;
}

/** Makes keys differ: an id is the app's, and may come twice. */
function distinct(rows) {
  const seen = new Map();
  return rows.map(({ key, cells }) => {
    const times = seen.get(key) ?? 0;
    seen.set(key, times + 1);
    return { key: `${key} ${times}`, cells };
  });
}

/** Says of tables what they are: some browsers forget it of those that CSS makes cards of. */
function keepRoles() {
  for (const table of document.querySelectorAll("table")) {
    table.setAttribute("role", "table");
    for (const group of [table.tHead, ...table.tBodies]) group.setAttribute("role", "rowgroup");
    for (const row of table.rows) row.setAttribute("role", "row");
    for (const cell of table.tHead.rows[0].cells) cell.setAttribute("role", "columnheader");
  }
}

function newRow(table, key) {
  const row = element("tr", { role: "row", "data-key": key });
  for (const { className } of table.tHead.rows[0].cells) {
    const cell = className === "title"
      ? element("th", { role: "rowheader", scope: "row" })
      : element("td", { role: "cell" });
    setAttribute(cell, "class", className);
    row.append(cell);
  }
  return row;
}

/** Fills a table body, keeping the rows (and whatever is selected in them) that are there already.
 * Each row is `{key, cells}`, each cell a list of parts: a text, or `{text, kind, small, title}`. */
function fillTable(table, rows) {
  const body = table.tBodies[0];
  const labels = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const wanted = distinct(rows);
  const keys = new Set(wanted.map(({ key }) => key));
  for (const row of [...body.rows]) if (!keys.has(row.dataset.key)) row.remove();
  const there = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  let place = body.firstElementChild;
  for (const { key, cells } of wanted) {
    const row = there.get(key) ?? newRow(table, key);
    cells.forEach((parts, index) => fillCell(row.cells[index], parts, labels[index]));
    if (row === place) place = place.nextElementSibling;
    else body.insertBefore(row, place);
  }
  table.parentElement.hidden = rows.length === 0;
  const none = byId(`${table.id}-none`);
  if (none) none.hidden = rows.length > 0;
}

function fillCell(cell, parts, label) {
  setAttribute(cell, "data-label", label);
  const wanted = parts.filter((part) => part !== null).map(cellText);
  cell.classList.toggle("nothing", wanted.every(({ text }) => text === NOTHING));
  while (cell.children.length > wanted.length) cell.lastElementChild.remove();
  wanted.forEach(({ text, kind = "", small = false, title }, index) => {
    let node = cell.children[index];
    const tag = small ? "SMALL" : "SPAN";
    if (!node || node.tagName !== tag) {
      const made = element(tag.toLowerCase());
      if (node) node.replaceWith(made);
      else cell.append(made);
      node = made;
    }
    if (node.className !== kind) node.className = kind;
    setText(node, text);
    setAttribute(node, "title", title ?? (kind.includes("name") ? text : ""));
  });
}

const small = (text, kind = "") => ({ text, kind, small: true });

// --- what is shown -------------------------------------------------------------------------------

function showAbout(state) {
  const places = state.how_to.listening.join(", ") || "nothing";
  setText(byId("about"), `${state.version} · listening on ${places} · up ${age(state.now - state.started)}`);
}

const UNUSABLE = "The configuration cannot be used, and calls are refused";

function showNotices(state) {
  const list = byId("notices");
  const texts = [];
  if (state.problem) texts.push(`${UNUSABLE}: ${state.problem}`);
  texts.push(...state.notices);
  if (state.client_tls_failures) {
    const times = state.client_tls_failures === 1 ? "once" : `${count(state.client_tls_failures)} times`;
    texts.push(`Apps broke off the TLS handshake ${times}: most of them do not trust the CA ${state.how_to.ca_file}. The commands on this page make apps trust it. The log says which apps these are.`);
  }
  texts.forEach((text, index) => {
    if (!list.children[index]) list.append(element("li"));
    setText(list.children[index], text);
    list.children[index].classList.toggle("problem", Boolean(state.problem) && index === 0);
  });
  while (list.children.length > texts.length) list.lastElementChild.remove();
  list.hidden = texts.length === 0;
}

function showTotals(state) {
  const { totals, running } = state;
  const uncounted = totals.uncounted_answers;
  const tiles = [
    ["In progress", count(running.count)],
    ["Waiting for a worker", count(running.waiting)],
    ["Calls", count(totals.calls)],
    ["Failed or broken off", count(totals.failed + totals.broken_off)],
    ["Refused", count(totals.refused)],
    ["Tokens in", count(totals.prompt_tokens)],
    ["Tokens out", count(totals.completion_tokens)],
  ];
  if (uncounted) tiles.push(["Answers without token counts", count(uncounted)]);
  if (totals.passed_on) tiles.push(["Passed on", count(totals.passed_on)]);
  const list = byId("totals");
  tiles.forEach(([term, value], index) => {
    if (!list.children[index]) list.append(element("div", {}, element("dt"), element("dd")));
    const [termNode, valueNode] = list.children[index].children;
    setText(termNode, term);
    setText(valueNode, value);
  });
  while (list.children.length > tiles.length) list.lastElementChild.remove();
}

function runningState(call) {
  if (call.waiting !== null) {
    return [{ text: "… waiting for a worker", kind: "warn" }, call.waiting ? small(call.waiting) : null];
  }
  if (call.attempts > 1) return [`attempt ${count(call.attempts)}`];
  if (!call.attempts) return ["reading the request"];
  return [call.stream ? (call.tokens ? "streaming" : "waiting for the first token") : "waiting for the answer"];
}

function showRunning(state) {
  const { calls, count: all } = state.running;
  fillTable(
    byId("running"),
    calls.map((call) => ({
      key: call.id,
      cells: [
        asked(call),
        [name(call.endpoint)],
        [call.tokens === null ? NOTHING : count(call.tokens)],
        [age(Math.max(state.now - call.since, 0))],
        runningState(call),
      ],
    })),
  );
  const more = byId("running-more");
  more.hidden = all <= calls.length;
  setText(more, `and ${count(all - calls.length)} more`);
}

/** What the app has asked for. */
function asked(call) {
  const words = call.model ? listed(call.operation, call.client) : call.client;
  return [
    name(call.model || call.operation),
    words ? small(words, "name") : null,
    call.prompt ? small(call.prompt, "name prompt") : null,
  ];
}

function showEndpoints(state) {
  fillTable(
    byId("endpoints"),
    state.endpoints.map((endpoint) => {
      const [text, kind] = BREAKERS[endpoint.state] ?? [endpoint.state, "warn"];
      const trouble = endpoint.trouble ? small(`last trouble: ${endpoint.trouble}`) : null;
      return {
        key: `${endpoint.interface} ${endpoint.name}`,
        cells: [
          [name(endpoint.name), small(endpoint.interface)],
          [{ text, kind }, trouble],
          ...[endpoint.running, endpoint.waiting, endpoint.calls, endpoint.failed].map((value) => [count(value)]),
        ],
      };
    }),
  );
}

function showOperations(state) {
  byId("operations-section").hidden = state.operations.length === 0;
  fillTable(
    byId("operations"),
    state.operations.map((each) => ({
      key: each.operation,
      cells: [
        [name(each.operation)], [count(each.calls)], [count(each.failed)],
        [listed(...amounts(each.amounts)) || NOTHING],
      ],
    })),
  );
}

/** What a call sent and got: tokens, or else what there is in their place. */
function sizes(call) {
  const [first, ...others] = amounts(call);
  if (!first) return [tokens(call)];
  const asked = call.prompt_tokens ? counted(call.prompt_tokens, "token") : "";
  const all = call.completion_tokens ? `${tokens(call)} tokens` : asked;
  const more = listed(...others, all);
  return [first, more ? small(more) : null];
}

function tokens(call) {
  if (call.prompt_tokens === null && call.completion_tokens === null) return NOTHING;
  const known = (value) => (value === null ? NOTHING : count(value));
  return `${known(call.prompt_tokens)} + ${known(call.completion_tokens)}`;
}

function showLatest(state) {
  const others = state.latest.some((call) => amounts(call).length);
  setText(byId("latest-sizes"), others ? "Amount" : "Tokens in + out");
  fillTable(
    byId("latest"),
    state.latest.map((call) => {
      const [text, kind] = OUTCOMES[call.outcome] ?? [call.outcome, "warn"];
      const why = listed(
        call.status === null ? "" : `status ${call.status}`,
        call.error,
        call.attempts > 1 ? `${count(call.attempts)} attempts` : "",
      );
      return {
        key: `${call.id} ${call.time}`,
        cells: [
          [{ text: ago(Math.max(state.now - call.time, 0)), title: `${clockTime(call.time)}, ${call.id}` }],
          asked(call),
          [name(call.endpoint), call.response_model ? small(call.response_model, "name") : null],
          [{ text, kind }, why ? small(why, "name") : null],
          [duration(call.time_to_first_token), call.waited ? small(`waited ${duration(call.waited)}`) : null],
          [duration(call.duration)],
          sizes(call),
          [rate(call.tokens_per_second)],
        ],
      };
    }),
  );
}

function showRefused(state) {
  fillTable(
    byId("refused"),
    state.refused.map((refused) => ({
      key: `${refused.reason} ${refused.operation}`,
      cells: [[name(refused.reason)], [name(refused.operation)], [count(refused.count)], [ago(Math.max(state.now - refused.last, 0))]],
    })),
  );
}

// --- charts --------------------------------------------------------------------------------------

const WIDTH = 270;
const HEIGHT = 72;

function charts(history) {
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const last = (values) => values.findLast((value) => value !== null) ?? null;
  const most = (...series) => Math.max(0, ...series.flat().filter((value) => value !== null));
  const perInterval = `in ${history.seconds} s`;
  const slowest = most(history.ttft_p50, history.ttft_p95);
  const fastest = most(history.tokens_per_second);
  return [
    {
      title: "Calls", now: `${count(sum(history.calls))} in all`, top: most(history.calls),
      peak: `at most ${count(most(history.calls))} ${perInterval}`, bars: [[history.calls, "bar"]],
    },
    {
      title: "Failed or broken off", now: `${count(sum(history.errors))} in all`, top: most(history.errors),
      peak: `at most ${count(most(history.errors))} ${perInterval}`, bars: [[history.errors, "bar error"]],
    },
    {
      title: "Time to first token", top: slowest, peak: slowest ? `at most ${duration(slowest)}` : "no data",
      now: slowest ? `p50 ${duration(last(history.ttft_p50))}, p95 ${duration(last(history.ttft_p95))}` : NOTHING,
      lines: [[history.ttft_p50, "p50"], [history.ttft_p95, "p95"]], legend: "solid: p50, dashed: p95",
    },
    {
      // The present interval has only just begun: its rate may be that of a second.
      title: "Tokens per second", now: rate(most(history.tokens_per_second.slice(-2))), top: fastest,
      peak: `at most ${rate(fastest)}`, lines: [[history.tokens_per_second, "p50"]],
    },
  ];
}

function bars(values, top, kind) {
  const step = WIDTH / values.length;
  return values.flatMap((value, index) => {
    if (!value) return [];
    const height = Math.max((value / top) * (HEIGHT - 4), 1.5);
    return [drawn("rect", { class: kind, x: index * step, y: HEIGHT - height, width: step * 0.8, height })];
  });
}

/** A line for each run of values. One that stands alone is a point: a line without length. */
function lines(values, top, kind) {
  if (!top) return [];
  const step = WIDTH / values.length;
  const runs = [[]];
  values.forEach((value, index) => {
    if (value === null) runs.push([]);
    else runs.at(-1).push([(index + 0.5) * step, HEIGHT - 3 - (value / top) * (HEIGHT - 8)]);
  });
  return runs.filter((run) => run.length).map((run) => {
    const points = run.length === 1 ? [run[0], run[0]] : run;
    const shape = run.length === 1 ? `${kind} point` : kind;
    return drawn("polyline", { class: shape, points: points.map((point) => point.map((x) => x.toFixed(1)).join(",")).join(" ") });
  });
}

const drawnCharts = [];

function showCharts(state) {
  const box = byId("charts");
  charts(state.history).forEach((chart, index) => {
    if (!box.children[index]) {
      box.append(
        element("figure", {},
          element("figcaption", {}, element("span"), element("b")),
          drawn("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }),
          element("div", { class: "axis", "aria-hidden": "true" }, element("span", {}, "15 min ago"), element("span"), element("span", {}, "now")),
          element("div", { class: "legend" })),
      );
    }
    const [caption, svg, axis, legend] = box.children[index].children;
    setText(caption.children[0], chart.title);
    setText(caption.children[1], chart.now);
    setText(axis.children[1], chart.peak);
    setText(legend, chart.legend ?? "");
    const known = JSON.stringify(chart);
    if (drawnCharts[index] === known) return;
    drawnCharts[index] = known;
    svg.setAttribute("aria-label", `${chart.title}, last 15 minutes: ${chart.now === NOTHING ? "" : `${chart.now}, `}${chart.peak}`);
    svg.replaceChildren(
      ...(chart.bars ?? []).flatMap(([values, kind]) => bars(values, chart.top, kind)),
      ...(chart.lines ?? []).flatMap(([values, kind]) => lines(values, chart.top, kind)),
    );
  });
}

// --- how an app is pointed here --------------------------------------------------------------------

let shownHowTo = "";

function showHowTo(state) {
  const { how_to: howTo, totals, running } = state;
  const empty = totals.calls === 0 && totals.passed_on === 0 && running.count === 0;
  byId("start").hidden = !empty;
  byId("how-to").hidden = empty;
  setText(byId("hosts"), howTo.provider_hosts.join(", ") || "a provider");
  const commands = byId("commands");
  const home = empty ? byId("start") : byId("how-to");
  if (commands.parentElement !== home) move(commands, home);
  const known = JSON.stringify(howTo);
  if (known === shownHowTo) return;
  shownHowTo = known;
  commands.replaceChildren(
    ...howTo.commands.flatMap(({ what, command }) => commandBox(what, command)),
    ...commandBox("The CA that apps must trust (the commands above make them trust it)", howTo.ca_file),
  );
}

/** Moves it, and the focus with it. */
function move(node, home) {
  const focused = node.contains(document.activeElement) ? document.activeElement : null;
  home.append(node);
  if (!focused) return;
  if (home instanceof HTMLDetailsElement) home.open = true;
  focused.focus({ preventScroll: true });
}

function commandBox(what, text) {
  const code = element("code", {}, text);
  const button = element("button", { type: "button", "aria-label": `Copy: ${what}` }, "Copy");
  button.addEventListener("click", () => copy(code, button));
  return [element("p", { class: "what" }, what), element("div", { class: "command" }, code, button)];
}

async function copy(code, button) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
    say("The text is in the clipboard.");
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  } catch {
    getSelection().selectAllChildren(code); // for the person to copy
    say("The clipboard cannot be used. The text is selected instead.");
  }
}

// --- everything ------------------------------------------------------------------------------------

function show(state) {
  showAbout(state);
  showNotices(state);
  showHowTo(state);
  showTotals(state);
  showRunning(state);
  showCharts(state);
  showEndpoints(state);
  showOperations(state);
  showLatest(state);
  showRefused(state);
  const running = state.running.count;
  document.title = running ? `(${count(running)}) vast-intercept` : "vast-intercept";
  showConnection(state);
  tellChanges(state);
  lastShown = state.now;
}

function showConnection(state) {
  const open = state.endpoints.filter((each) => each.state === "open").map((each) => each.name);
  setConnection(open.length ? "down" : "live", open.length ? `Left alone after failures: ${open.join(", ")}` : "Live");
}

function setConnection(kind, text) {
  const line = byId("connection");
  if (line.className !== kind) line.className = kind;
  setText(line, text);
}

// --- what is said to a screen reader ---------------------------------------------------------------

let isLost = false;
let downBefore = new Set();
let problemBefore = "";

/** In the one place that is read out when it changes. */
const say = (text) => setText(byId("said"), text);

function tellChanges(state) {
  const told = [];
  if (isLost) told.push("The interceptor answers again.");
  if (state.problem && !problemBefore) told.push(`${UNUSABLE}: ${state.problem}`);
  if (!state.problem && problemBefore) told.push("The configuration can be used again.");
  const down = new Set();
  for (const { name, interface: upstream, state: breaker } of state.endpoints) {
    const key = `${upstream} ${name}`;
    // One that is being tried again has not come back yet.
    if (breaker !== "closed" && (breaker === "open" || downBefore.has(key))) down.add(key);
    if (down.has(key) && !downBefore.has(key)) told.push(`Endpoint ${name} is left alone after repeated failures.`);
    if (!down.has(key) && downBefore.has(key)) told.push(`Endpoint ${name} is in use again.`);
  }
  downBefore = down;
  problemBefore = state.problem;
  isLost = false;
  if (told.length) say(told.join(" "));
}

function lost(why) {
  const since = lastShown ? ` The numbers are those of ${clockTime(lastShown)}.` : "";
  setConnection("lost", why + since);
  document.title = "No connection – vast-intercept";
  if (!isLost) say(why);
  isLost = true;
}

// --- asking ----------------------------------------------------------------------------------------

const GONE = "No connection to the interceptor. Trying again.";
const OTHER = "This page does not understand the interceptor's answer. Reload the page.";

let lastShown = 0;
let wait = EVERY;
let timer;
let asking = false;

async function ask() {
  clearTimeout(timer);
  if (asking || document.hidden) return;
  asking = true;
  const state = await fetchState();
  asking = false;
  wait = state ? EVERY : Math.min(wait * 1.6, LONGEST);
  if (!document.hidden) timer = setTimeout(ask, wait);
  if (state) showOrTell(state);
  else lost(GONE);
}

function showOrTell(state) {
  try {
    show(state);
  } catch (error) { // of another version, perhaps
    console.error(error);
    lost(OTHER);
  }
}

async function fetchState() {
  try {
    const answer = await fetch("/state", { cache: "no-store", signal: AbortSignal.timeout(LONGEST) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else ask();
});
keepRoles();
ask();
