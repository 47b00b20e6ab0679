// --- a call that is opened -------------------------------------------------------------------------

const LONG = { characters: 900, lines: 14 };

/** A text as it is, of parts `[text, differs]`. A long one scrolls, and can be reached by keyboard. */
function block(parts, mark, label) {
  const text = parts.map(([each]) => each).join("");
  const long = text.length > LONG.characters || text.split("\n").length > LONG.lines;
  const reach = long ? { tabindex: "0", role: "region", "aria-label": label } : {};
  return element("pre", { class: long ? "long" : "", dir: "auto", ...reach },
    ...parts.map(([each, differs]) => (differs ? element(mark, {}, each) : visible(each))));
}

const plain = (text) => [[text, false]];
const readable = (text) => (/^\s*[[{]/.test(text) && indented(text)) || text;

/** What both sides have to say, part by part: `[name, provider's, Vast's]`. */
function partsOf(provider, vast) {
  const tools = Math.max(provider?.tools.length ?? 0, vast?.tools.length ?? 0);
  const tool = (side, index) => {
    const called = side?.tools[index];
    return called ? `${called[0]} ${readable(called[1])}` : "";
  };
  const error = (side) => (side?.error ? listed(`status ${side.error.status}`, side.error.code, side.error.message) : "");
  const texts = [provider?.text ?? "", vast?.text ?? ""];
  // Of two texts of which one is JSON, the other would differ in each blank.
  const written = texts.every((text) => !text || readable(text) !== text) ? texts.map(readable) : texts;
  return [
    ["Error", error(provider), error(vast)],
    ["Refusal", provider?.refusal, vast?.refusal],
    ["Text", ...written],
    ...Array.from({ length: tools }, (_, index) => [tools > 1 ? `Tool call ${index + 1}` : "Tool call", tool(provider, index), tool(vast, index)]),
    ["Form", provider?.form, vast?.form],
    ["Body", provider?.body, vast?.body],
    ["Reasoning", provider?.reasoning, vast?.reasoning],
  ].map(([name, one, other]) => [name, one ?? "", other ?? ""]);
}

function answersShown(call, run, marks) {
  const { texts, numbers } = call;
  const [provider, vast] = [texts.provider, texts.runs[run]];
  const sides = [
    ["Provider", provider, numbers.provider, "del"],
    [numbers.runs.length > 1 ? `Vast, run ${run + 1} of ${numbers.runs.length}` : "Vast", vast, numbers.runs[run], "ins"],
  ];
  const panes = sides.map(([name, , figures], side) => element("section", { class: `answer ${side ? "vast" : "provider"}` },
    element("h4", {}, name),
    element("p", { class: "quiet" }, figures ? figuresOf(figures) : "")));
  let exact = true;
  for (const [part, ...both] of partsOf(provider, vast)) {
    const compared = marks && both.every(Boolean) ? differences(...both) : null;
    exact &&= compared?.exact ?? true;
    both.forEach((text, side) => {
      if (!text) return;
      const shown = compared ? [compared.left, compared.right][side] : plain(text);
      const pre = block(shown, sides[side][3], `${part}, ${sides[side][0]}`);
      panes[side].append(part === "Reasoning"
        ? element("details", { class: "reasoning" }, element("summary", {}, part), pre)
        : element("div", {}, element("h5", {}, part), pre));
    });
  }
  sides.forEach(([, said], side) => {
    const nothing = !said ? (side ? "No answer." : "The recording has no answer.") : !partsOf(said, null).some(([, text]) => text) ? "The answer is empty." : "";
    if (nothing) panes[side].append(element("p", { class: "quiet" }, nothing));
    if (said && !said.complete && !said.error) panes[side].append(element("p", { class: "bad" }, "✗ The answer does not come to its end."));
  });
  const shown = [element("div", { class: "pair" }, ...panes)];
  if (!exact) shown.unshift(element("p", { class: "quiet" }, "The answers differ too much to be compared word by word."));
  return shown;
}

function figuresOf(figures) {
  const tokens = isKnown(figures.completion_tokens) ? `${count(figures.prompt_tokens ?? 0)} + ${counted(figures.completion_tokens, "token")}` : "";
  return listed(
    figures.endpoint,
    figures.model,
    figures.finish_reason ? `finish reason ${figures.finish_reason}` : "",
    isKnown(figures.status) ? `status ${figures.status}` : "",
    tokens,
    isKnown(figures.time_to_first_token) ? `first token ${duration(figures.time_to_first_token)}` : "",
    isKnown(figures.seconds) ? `in all ${duration(figures.seconds)}` : "",
    isKnown(figures.tokens_per_second) ? `${rate(figures.tokens_per_second)} tokens/s` : "",
    figures.attempts > 1 ? `${count(figures.attempts)} attempts` : "",
    figures.waited ? `waited ${duration(figures.waited)} for a worker` : "",
  );
}

// Measures of an answer by itself: what fails there is wrong, whatever other answers are.
const BY_ITSELF = new Set(["served", "json", "schema", "arguments", "not_empty"]);

/** Whether chance explains a difference, in words; nothing where there is no difference to explain. */
function chanceOf(run) {
  if (run.by_chance === true) return "Vast's own runs differ from each other as much: this is chance.";
  const failed = Object.entries(run.checks).filter(([, { holds }]) => !holds).map(([measure]) => measure);
  const differs = failed.length > 0 || (isKnown(run.similarity) && run.similarity < 1);
  if (run.by_chance !== false || !differs || failed.some((measure) => BY_ITSELF.has(measure))) return "";
  return "Vast's own runs differ less from each other: this is not chance.";
}

/** What holds and what does not, in words, the latter first. */
function checksShown(run) {
  const checks = Object.entries(run.checks).sort(([, one], [, other]) => one.holds - other.holds);
  const items = checks.map(([measure, { holds, why, provider_holds: theirs }]) => {
    const item = element("li", { class: holds ? "holds" : "fails" }, element("b", {}, `${holds ? "✓" : "✗"} ${measureName(measure)}`));
    if (why && why !== run.advice) item.append(": ", element("bdi", {}, why));
    if (theirs === false) item.append(element("small", { class: "inline" }, ` (the provider's own answer fails${holds ? "" : ", too"})`));
    return item;
  });
  for (const [measure, why] of Object.entries(run.unmeasured)) {
    items.push(element("li", { class: "fails" }, `– ${measureName(measure)}: cannot be measured: `, element("bdi", {}, why)));
  }
  const shown = [];
  if (run.advice) shown.push(element("p", { class: "notice" }, element("b", {}, run.reason), ": ", element("bdi", {}, ...prose(run.advice))));
  if (items.length) shown.push(element("ul", { class: "checks" }, ...items));
  const alike = isKnown(run.similarity) ? `The texts are ${percent(run.similarity)} alike.` : "";
  const chance = chanceOf(run);
  if (alike || chance) shown.push(element("p", { class: "quiet" }, [alike, chance].filter(Boolean).join(" ")));
  return shown;
}

function requestShown({ texts, numbers }) {
  const shown = [element("h3", {}, "Request")];
  for (const problem of texts.problems) shown.push(element("p", { class: "notice" }, problem));
  for (const [role, text] of texts.messages) {
    shown.push(element("div", { class: "message" }, element("h4", {}, role), block(plain(readable(text)), "ins", `Message of ${role}`)));
  }
  const headers = texts.headers.map(([name, value]) => `${name}: ${value}\n`).join("");
  const whole = element("details", { class: "whole" }, element("summary", {}, "Whole request"));
  whole.addEventListener("toggle", () => whole.append(
    block(plain(`${texts.method} ${texts.url}\n${headers}`), "ins", "Head of the request"),
    ...(texts.body ? [block(plain(readable(texts.body)), "ins", "Body of the request")] : [])), { once: true });
  if (numbers.time) shown.push(element("p", { class: "quiet" }, `Recorded ${moment(numbers.time, { dateStyle: "medium", timeStyle: "medium" })}`));
  shown.push(whole);
  return element("section", { class: "request" }, ...shown);
}

function callShown(call) {
  const { runs } = call.numbers;
  const marks = element("input", { type: "checkbox" });
  marks.checked = true;
  const runChoice = element("select", {}, ...runs.map((run, index) => {
    const failed = Object.values(run.checks).filter((check) => !check.holds).length;
    return element("option", { value: String(index) }, `${index + 1}: ${failed ? `${counted(failed, "measure")} ${failed === 1 ? "fails" : "fail"}` : "all measures hold"}`);
  }));
  const checks = element("div");
  const answers = element("div");
  const show = () => {
    const run = Number(runChoice.value || 0);
    checks.replaceChildren(...checksShown(runs[run]));
    answers.replaceChildren(...answersShown(call, run, marks.checked));
  };
  marks.addEventListener("change", show);
  runChoice.addEventListener("change", show);
  // The worst run is what the call is sorted by.
  const failures = (run) => Object.values(run.checks).filter((check) => !check.holds).length;
  runChoice.value = String(runs.reduce((worst, run, index) => (failures(run) > failures(runs[worst]) ? index : worst), 0));
  show();
  const tools = element("div", { class: "tools" });
  if (runs.length > 1) tools.append(element("label", {}, "Run ", runChoice));
  tools.append(element("label", { class: "check" }, marks, " Mark what differs"));
  return [checks, requestShown(call), element("h3", {}, "Answers"), tools, answers];
}
