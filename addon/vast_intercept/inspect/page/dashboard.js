// Asks for /state once a second, and shows it. Whatever comes from there is text, never markup:
// apps choose the names in it.

const EVERY = 1000; // milliseconds
const LONGEST = 5000;
const SVG = "http://www.w3.org/2000/svg";

const NOTHING = "–";

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
  if (node.textContent !== text) node.textContent = text;
}

// --- words ---------------------------------------------------------------------------------------

const count = (value) => Math.round(value).toLocaleString("en-US");

function duration(seconds) {
  if (seconds === null || seconds === undefined) return NOTHING;
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.5) return `${seconds.toFixed(1)} s`;
  if (seconds < 5999) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

const age = (seconds) => (seconds < 100 ? `${Math.floor(seconds)} s` : duration(seconds));
const ago = (seconds) => (seconds < 1 ? "now" : `${age(seconds)} ago`);

function rate(value) {
  if (value === null || value === undefined) return NOTHING;
  return value >= 9.95 ? count(value) : value.toFixed(1);
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

/** Gives the same key to the same call: ids are the apps', and may come twice. */
function keysOf(calls, key) {
  const seen = new Map();
  return calls.map((call) => {
    const base = key(call);
    const times = seen.get(base) ?? 0;
    seen.set(base, times + 1);
    return `${base} ${times}`;
  });
}

/** Fills a table body, keeping the rows (and whatever is selected in them) that are there already.
 * Each row is `{key, cells}`, each cell a list of parts: a text, or `{text, kind, small}`. */
function fillTable(table, rows) {
  const body = table.tBodies[0];
  const labels = [...table.tHead.rows[0].cells].map((cell) => [cell.textContent, cell.className]);
  const before = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  let place = body.firstElementChild;
  for (const { key, cells } of rows) {
    let row = before.get(key);
    if (row) {
      before.delete(key);
    } else {
      row = element("tr", { "data-key": key });
      for (const [label, kind] of labels) {
        row.append(element("td", kind ? { class: kind, "data-label": label } : { "data-label": label }));
      }
    }
    cells.forEach((parts, index) => fillCell(row.cells[index], parts));
    if (row === place) place = place.nextElementSibling;
    else body.insertBefore(row, place);
  }
  for (const row of before.values()) row.remove();
  table.parentElement.hidden = rows.length === 0;
  const none = byId(`${table.id}-none`);
  if (none) none.hidden = rows.length > 0;
}

function fillCell(cell, parts) {
  const wanted = parts.filter((part) => part !== null).map(cellText);
  cell.classList.toggle("nothing", wanted.every(({ text }) => text === NOTHING));
  while (cell.children.length > wanted.length) cell.lastElementChild.remove();
  wanted.forEach(({ text, kind = "", small = false }, index) => {
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
    if (kind.includes("name") && node.title !== text) node.title = text;
  });
}

const small = (text, kind = "") => ({ text, kind, small: true });

// --- what is shown -------------------------------------------------------------------------------

function showAbout(state) {
  const places = state.how_to.listening.join(", ") || "nothing";
  setText(byId("about"), `${state.version} · listening on ${places} · up ${age(state.now - state.started)}`);
}

function showNotices(state) {
  const list = byId("notices");
  const texts = [];
  if (state.problem) texts.push(`The configuration cannot be used, and calls are refused: ${state.problem}`);
  texts.push(...state.notices);
  if (state.client_tls_failures) {
    const times = state.client_tls_failures === 1 ? "once" : `${count(state.client_tls_failures)} times`;
    texts.push(`Apps broke off the TLS handshake ${times}: most of them do not trust the CA ${state.how_to.ca_file}. The log says which.`);
  }
  texts.forEach((text, index) => {
    if (!list.children[index]) list.append(element("li"));
    setText(list.children[index], text);
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
    return [{ text: "… waits for a worker", kind: "warn" }, call.waiting ? small(call.waiting) : null];
  }
  if (call.attempts > 1) return [`attempt ${call.attempts}`];
  if (!call.attempts) return ["being read"];
  return [call.stream ? (call.tokens ? "streaming" : "waits for the first token") : "waits for the answer"];
}

function showRunning(state) {
  const { calls, count: all } = state.running;
  const keys = keysOf(calls, (call) => call.id);
  fillTable(
    byId("running"),
    calls.map((call, index) => ({
      key: keys[index],
      cells: [
        [name(call.model), small([call.operation, call.client].filter(Boolean).join(" · ")), prompt(call)],
        [name(call.endpoint)],
        [call.tokens === null ? NOTHING : count(call.tokens)],
        [duration(Math.max(state.now - call.since, 0))],
        runningState(call),
      ],
    })),
  );
  const more = byId("running-more");
  more.hidden = all <= calls.length;
  setText(more, `and ${count(all - calls.length)} more`);
}

const prompt = (call) => (call.prompt ? small(call.prompt, "name prompt") : null);

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

function tokens(call) {
  if (call.prompt_tokens === null && call.completion_tokens === null) return NOTHING;
  return `${count(call.prompt_tokens ?? 0)} + ${count(call.completion_tokens ?? 0)}`;
}

function showLatest(state) {
  const keys = keysOf(state.latest, (call) => `${call.id} ${call.time}`);
  fillTable(
    byId("latest"),
    state.latest.map((call, index) => {
      const [text, kind] = OUTCOMES[call.outcome] ?? [call.outcome, "warn"];
      const status = [call.status === null ? null : `status ${call.status}`, call.error, call.attempts > 1 ? `${call.attempts} attempts` : null];
      return {
        key: keys[index],
        cells: [
          [ago(Math.max(state.now - call.time, 0))],
          [name(call.model ?? call.operation), small([call.operation, call.client].filter(Boolean).join(" · ")), prompt(call)],
          [name(call.endpoint), call.response_model ? small(call.response_model, "name") : null],
          [{ text, kind }, small(status.filter(Boolean).join(" · "), "name")],
          [duration(call.time_to_first_token), call.waited ? small(`waited ${duration(call.waited)}`) : null],
          [duration(call.duration)],
          [tokens(call)],
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
  return [
    {
      title: "Calls", now: `${count(sum(history.calls))} in all`, top: most(history.calls),
      peak: `${count(most(history.calls))} ${perInterval}`, bars: [[history.calls, "bar"]],
    },
    {
      title: "Failed or broken off", now: `${count(sum(history.errors))} in all`, top: most(history.errors),
      peak: `${count(most(history.errors))} ${perInterval}`, bars: [[history.errors, "bar error"]],
    },
    {
      title: "First token", now: `p50 ${duration(last(history.ttft_p50))}, p95 ${duration(last(history.ttft_p95))}`,
      top: most(history.ttft_p50, history.ttft_p95), peak: duration(most(history.ttft_p50, history.ttft_p95)),
      lines: [[history.ttft_p50, "p50"], [history.ttft_p95, "p95"]], legend: "solid: p50, dashed: p95",
    },
    {
      title: "Tokens per second", now: rate(last(history.tokens_per_second)), top: most(history.tokens_per_second),
      peak: `${rate(most(history.tokens_per_second))} tokens/s`, lines: [[history.tokens_per_second, "p50"]],
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

/** A line for each run of values; a value that stands alone is a point. */
function lines(values, top, kind) {
  const step = WIDTH / values.length;
  const runs = [[]];
  values.forEach((value, index) => {
    if (value === null) runs.push([]);
    else runs.at(-1).push([(index + 0.5) * step, HEIGHT - 3 - (top ? value / top : 0) * (HEIGHT - 8)]);
  });
  return runs.filter((run) => run.length).map((run) =>
    run.length === 1
      ? drawn("circle", { class: kind, cx: run[0][0], cy: run[0][1], r: 1.5 })
      : drawn("polyline", { class: kind, points: run.map((point) => point.map((x) => x.toFixed(1)).join(",")).join(" ") }),
  );
}

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
    setText(axis.children[1], `at most ${chart.peak}`);
    setText(legend, chart.legend ?? "");
    svg.setAttribute("aria-label", `${chart.title}, last 15 minutes: ${chart.now}, at most ${chart.peak}`);
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
  const empty = totals.calls === 0 && running.count === 0;
  byId("start").hidden = !empty;
  byId("how-to").hidden = empty;
  setText(byId("hosts"), howTo.provider_hosts.join(", ") || "a provider");
  const commands = byId("commands");
  const home = empty ? byId("start") : byId("how-to");
  if (commands.parentElement !== home) home.append(commands);
  const known = JSON.stringify(howTo);
  if (known === shownHowTo) return;
  shownHowTo = known;
  commands.replaceChildren(
    ...howTo.commands.flatMap(({ what, command }) => commandBox(what, command)),
    ...commandBox("The CA that the app must trust; the commands above see to it", howTo.ca_file),
  );
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
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  } catch {
    getSelection().selectAllChildren(code); // for the person to copy
  }
}

// --- asking ----------------------------------------------------------------------------------------

function show(state) {
  showAbout(state);
  showNotices(state);
  showHowTo(state);
  showTotals(state);
  showRunning(state);
  showCharts(state);
  showEndpoints(state);
  showLatest(state);
  showRefused(state);
  const { count: running } = state.running;
  document.title = running ? `(${running}) vast-intercept` : "vast-intercept";
  announce(state);
}

/** One line for all: a screen reader says it when it changes, and nothing else. */
function announce(state) {
  const down = state.endpoints.filter((each) => each.state === "open").map((each) => each.name);
  const status = byId("connection");
  status.classList.toggle("lost", down.length > 0);
  setText(status, down.length ? `Left alone after failures: ${down.join(", ")}` : "Live");
}

function lost() {
  const status = byId("connection");
  status.classList.add("lost");
  setText(status, "No connection to the interceptor. Trying again; these are the last numbers.");
}

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
  if (state) show(state);
  else lost();
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
ask();
