// --- the list of calls -----------------------------------------------------------------------------

const SHOWN = 50; // calls on a page of the list
const KEPT = 8; // unpacked pages that are kept
const MOST_REASONS = 200; // to choose from
const PAUSE = 250; // milliseconds after the last letter of a search

let lines = []; // one of each call, the worst first
let perPage = 50; // calls of a packed page
let found = []; // places in `lines` of the calls that the filters leave
let at = 0; // the page of the list
let search = 0; // counts searches, so that an old one ends

const chosen = () => ({
  measure: byId("by-measure").value,
  served: byId("by-served").value,
  operation: byId("by-operation").value,
  text: byId("by-text").value.trim().toLowerCase(),
});

// --- packed pages ---

const unpackedPages = new Map();

/** The texts and numbers of a packed page. The last ones that were asked for are kept. */
function pageOf(number) {
  const page = unpackedPages.get(number) ?? unpacked(`page-${number}`);
  unpackedPages.delete(number);
  unpackedPages.set(number, page);
  if (unpackedPages.size > KEPT) unpackedPages.delete(unpackedPages.keys().next().value);
  return page;
}

const callOf = async (place) => (await pageOf(Math.floor(place / perPage)))[place % perPage];

// --- filters ---

function showChoices() {
  const failed = new Set(lines.flatMap((line) => line.failed));
  // A server may give each error a code of its own.
  const reasons = [...new Set(lines.flatMap((line) => line.reasons))].slice(0, MOST_REASONS).sort();
  const operations = [...new Set(lines.map((line) => line.operation))].sort();
  choices("by-measure", [["", "any"], ["differs", "one that fails"], ["holds", "none that fails"],
    ...Object.keys(MEASURES).filter((each) => failed.has(each)).map((each) => [each, `fails: ${measureName(each)}`])]);
  choices("by-served", [["", "yes or no"], ["yes", "yes"], ["no", "no"], ...reasons.map((each) => [`reason ${each}`, `no: ${each}`])]);
  choices("by-operation", [["", "any"], ...operations.map((each) => [`is ${each}`, each || "unknown"])]);
}

function choices(id, options) {
  byId(id).append(...options.map(([value, text]) => element("option", { value }, text)));
}

function fits(line, { measure, served, operation }) {
  if (measure === "differs" ? !line.failed.length : measure === "holds" ? line.failed.length : measure && !line.failed.includes(measure)) return false;
  const isServed = !line.reasons.length && !line.failed.includes("served");
  if (served === "yes" ? !isServed : served === "no" ? isServed : served && !line.reasons.includes(served.slice("reason ".length))) return false;
  return !operation || line.operation === operation.slice("is ".length);
}

/** Sets filters, and takes back the others. */
function filterBy(wanted) {
  for (const name of ["measure", "served", "operation", "text"]) byId(`by-${name}`).value = wanted[name] ?? "";
  filter();
}

async function filter() {
  const mine = (search += 1);
  const wanted = chosen();
  byId("clear").hidden = !Object.values(wanted).some(Boolean);
  const left = [...lines.keys()].filter((place) => fits(lines[place], wanted));
  if (!wanted.text) return showFound(left, "");
  const matching = [];
  for (let first = 0; first < left.length; ) {
    const page = Math.floor(left[first] / perPage);
    const calls = await (unpackedPages.get(page) ?? unpacked(`page-${page}`));
    if (mine !== search) return;
    for (; first < left.length && Math.floor(left[first] / perPage) === page; first += 1) {
      if (says(calls[left[first] % perPage], wanted.text)) matching.push(left[first]);
    }
    byId("count").textContent = `Searched ${count(first)} of ${counted(left.length, "call")}: ${count(matching.length)} found`;
  }
  return showFound(matching, wanted.text);
}

/** Whether a text is in any text of a call. */
function says(value, text) {
  if (typeof value === "string") return value.toLowerCase().includes(text);
  return value !== null && typeof value === "object" && Object.values(value).some((each) => says(each, text));
}

function showFound(places) {
  found = places;
  at = 0;
  showPage();
  byId("count").textContent = places.length === lines.length ? counted(lines.length, "call") : `${count(places.length)} of ${counted(lines.length, "call")}`;
  say(places.length ? counted(places.length, "call") : "No call is like that.");
}

// --- paging ---

function showPage() {
  const pages = Math.max(Math.ceil(found.length / SHOWN), 1);
  const places = found.slice(at * SHOWN, (at + 1) * SHOWN);
  byId("calls").replaceChildren(...places.map(lineOf));
  byId("paging").hidden = pages === 1;
  byId("previous").disabled = at === 0;
  byId("next").disabled = at === pages - 1;
  byId("at").textContent = `Page ${count(at + 1)} of ${count(pages)}`;
  if (!found.length) byId("calls").append(element("li", { class: "quiet" }, lines.length ? "No call is like that." : "No call was made."));
}

function turn(by) {
  at += by;
  showPage();
  say(byId("at").textContent);
  byId("calls-title").scrollIntoView();
  byId("calls-title").focus({ preventScroll: true });
}

function lineOf(place) {
  const line = lines[place];
  const badges = line.reasons.length
    ? line.reasons.map((reason) => element("span", { class: "badge bad" }, `✗ ${reason}`))
    : line.failed.map((measure) => element("span", { class: "badge warn" }, `✗ ${measureName(measure)}`));
  if (!line.failed.length) badges.push(element("span", { class: "badge good" }, "✓ nothing fails"));
  if (line.chance) badges.push(element("span", { class: "badge" }, "by chance"));
  const details = element("details", { class: "call" },
    element("summary", {},
      element("span", { class: "what" },
        element("bdi", { class: "said" }, line.title),
        element("small", {}, listed(line.place, line.operation, line.model))),
      element("span", { class: "badges" }, ...badges)));
  details.addEventListener("toggle", () => open(details, place), { once: true });
  return element("li", {}, details);
}

async function open(details, place) {
  const room = element("div", { class: "opened" }, element("p", { class: "quiet" }, "Unpacking …"));
  details.append(room);
  try {
    room.replaceChildren(...callShown(await callOf(place)));
  } catch (error) {
    console.error(error);
    room.replaceChildren(element("p", { class: "bad" }, "This call cannot be unpacked: the file is not whole."));
  }
}

async function showCalls(report) {
  perPage = report.calls_of_a_page;
  lines = await unpacked("lines");
  showChoices();
  let later;
  for (const id of ["by-measure", "by-served", "by-operation"]) byId(id).addEventListener("change", filter);
  byId("by-text").addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(filter, PAUSE);
  });
  byId("filters").addEventListener("submit", (event) => { event.preventDefault(); filter(); });
  byId("clear").addEventListener("click", () => { filterBy({}); byId("by-text").focus(); });
  byId("previous").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  showFound([...lines.keys()]);
  say("");
}
