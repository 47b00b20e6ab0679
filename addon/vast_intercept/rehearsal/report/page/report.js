// --- the report as a whole ---------------------------------------------------------------------------

const MEASURES = {
  served: ["Served", "Vast answers, and with no error"],
  json: ["Valid JSON", "where the request asks for JSON"],
  schema: ["Valid against the schema", "where the request has one"],
  tools: ["Same tools", "chosen in the same order"],
  arguments: ["Valid arguments", "against each tool's schema"],
  same_arguments: ["Same arguments", "as JSON values"],
  finish_reason: ["Finish reason", "is the same"],
  length: ["Length", "between half and twice the provider's"],
  refusal: ["No refusal", "where the provider's model does not refuse"],
  language: ["Language", "is the same"],
  not_empty: ["Not empty", "where the provider's answer is not"],
  exact: ["Exact match", "where the temperature is 0"],
  form: ["Form", "of an answer that is not text"],
};
const measureName = (measure) => MEASURES[measure]?.[0] ?? measure;

function showHead(report) {
  const name = report.recording.split("/").at(-1);
  document.title = visible(`Rehearsal of ${name} – vast-intercept`);
  byId("title").textContent = visible(`Rehearsal of ${name}`);
  byId("about").append(element("span", {}, listed(
    report.began ? moment(report.began) : "",
    report.endpoints.length ? `${report.endpoints.length > 1 ? "endpoints" : "endpoint"} ${report.endpoints.join(", ")}` : "",
    report.runs > 1 ? `${counted(report.runs, "run")} of each call` : "",
    `${report.concurrency} at a time`,
  )));
}

function showTiles(report) {
  const served = report.measures.served;
  const { speed, cost } = report;
  const both = ({ provider, vast }, word) => [word(vast.median), provider.answers ? `provider ${word(provider.median)}` : ""];
  const all = served && served.holds === served.cases;
  const left = report.recorded_calls - report.rehearsed_calls;
  tiles(byId("tiles"), [
    ["Calls made on Vast", count(report.rehearsed_calls), left > 0 ? `of ${count(report.recorded_calls)} recorded` : ""],
    ["Served", served ? percent(served.share) : NOTHING, served ? `${count(served.holds)} of ${counted(served.cases, "answer")}` : "", all ? "good" : "bad"],
    ["Calls that differ", count(report.differing_calls), "in at least one measure"],
    ["First token, median", ...both(speed.time_to_first_token, duration)],
    ["Tokens/s, median", ...both(speed.tokens_per_second, rate)],
    ["Cost on Vast", dollars(cost.vast.dollars), `provider ${dollars(cost.provider.dollars)}`],
  ]);
}

function showFallen(report) {
  byId("fallen").hidden = !report.fallen_gates.length;
  byId("fallen").append(...report.fallen_gates.map((each) => element("li", {}, element("b", {}, "Gate fell: "), each)));
}

function showNotServed(report) {
  byId("not-served-section").hidden = !report.not_served.length;
  const answers = report.not_served.reduce((sum, each) => sum + each.answers, 0);
  byId("not-served-caption").textContent = `${counted(answers, "answer")} would be an error, by reason`;
  for (const { reason, advice, answers: times } of report.not_served) {
    row(byId("not-served"), filterButton(reason, { served: `reason ${reason}` }, `${reason}: show the calls`), count(times),
      advice.length ? advice.map((text) => element("p", {}, ...prose(text))) : NOTHING);
  }
}

/** A bar as long as the share, with a mark where the provider's own answers end. */
function bar(share, theirs) {
  const svg = drawn("svg", { class: "share", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    drawn("rect", { class: "track", width: 100, height: 10 }),
    drawn("rect", { class: share === 1 ? "all" : "part", width: share * 100, height: 10 }));
  if (isKnown(theirs)) svg.append(drawn("rect", { class: "theirs", x: Math.min(theirs * 100, 98.5), width: 1.5, height: 10 }));
  return svg;
}

function showMeasures(report) {
  const measured = Object.entries(report.measures);
  byId("measures-section").hidden = !measured.length;
  byId("measures-caption").textContent = report.runs > 1 ? "Each run of a call is a case" : "Each answer is a case";
  for (const [measure, { cases, holds, share, provider_cases: theirs, provider_holds: theirHolds }] of measured) {
    const failed = lines.filter((line) => line.failed.includes(measure)).length;
    row(byId("measures"),
      [element("span", { class: "measure" }, measureName(measure)), element("small", {}, MEASURES[measure]?.[1] ?? "")],
      count(cases),
      [bar(share, theirs ? theirHolds / theirs : null), element("span", {}, `${percent(share)} `), element("small", { class: "inline" }, `${count(holds)} of ${count(cases)}`)],
      theirs ? percent(theirHolds / theirs) : NOTHING,
      failed ? filterButton(`Show ${count(failed)}`, { measure }, `Show ${counted(failed, "call")} that ${failed === 1 ? "fails" : "fail"}: ${measureName(measure)}`) : element("span", { class: "good" }, "✓ all hold"));
  }
  byId("chance").hidden = !report.answers_by_chance;
  byId("chance").textContent = `${counted(report.answers_by_chance, "answer")} of ${count(report.answers)} differ from the provider's no more than Vast's own runs differ from each other: that is chance, and not the move.`;
}

function filterButton(text, wanted, name) {
  const button = element("button", { type: "button", class: "link", "aria-label": visible(name) }, text);
  button.addEventListener("click", () => {
    filterBy(wanted);
    byId("calls-title").scrollIntoView();
    byId("calls-title").focus({ preventScroll: true });
  });
  return button;
}

function showCost({ cost }) {
  for (const [side, name] of SIDES) {
    const { dollars: value, assumptions } = cost[side];
    byId("cost").append(element("div", { class: "money" },
      element("h3", {}, name),
      element("p", { class: isKnown(value) ? "sum" : "sum unknown" }, dollars(value)),
      element("ul", {}, ...assumptions.map((each) => element("li", {}, each)))));
  }
}

function showJudgement({ judgement }) {
  byId("judgement-section").hidden = !judgement;
  if (!judgement) return;
  byId("judge").append(element("span", {}, `The model on ${judgement.endpoint} was asked which answer serves the request better: blind, and once in each order.`));
  if (judgement.why_failed) byId("judge").append(element("span", {}, ` Where it gave no usable answer, most often: ${judgement.why_failed}`));
  const of = (value) => (judgement.pairs ? `${percent(value / judgement.pairs)} of ${counted(judgement.pairs, "pair")}` : "");
  tiles(byId("judgement"), [
    ["Prefers Vast's", count(judgement.vast), of(judgement.vast)],
    ["Prefers the provider's", count(judgement.provider), of(judgement.provider)],
    ["Neither", count(judgement.even), of(judgement.even)],
    ["Contradicts itself", count(judgement.contradictory), of(judgement.contradictory)],
    ["No usable answer", count(judgement.failed), of(judgement.failed)],
    ["Says the same in both orders", isKnown(judgement.agreement) ? percent(judgement.agreement) : NOTHING, "of the pairs that it judged"],
  ]);
}

function showUnusable(report) {
  const all = report.unusable_parts;
  byId("unusable-section").hidden = !all;
  byId("unusable-title").textContent = `${counted(all, "part")} of the recording cannot be used`;
  for (const { place, why } of report.unusable) row(byId("unusable"), place, why);
  byId("unusable-more").hidden = all <= report.unusable.length;
  byId("unusable-more").textContent = `and ${count(all - report.unusable.length)} more, which the JSON lists`;
}

async function showReport() {
  keepRoles();
  const report = JSON.parse(byId("numbers").textContent);
  showHead(report);
  showTiles(report);
  showFallen(report);
  showNotServed(report);
  showSpeed(report);
  showCost(report);
  showJudgement(report);
  showUnusable(report);
  if (typeof DecompressionStream === "undefined") {
    byId("count").textContent = "This browser is too old to show the calls: it has no DecompressionStream.";
    return;
  }
  await showCalls(report);
  showMeasures(report);
}

showReport();
