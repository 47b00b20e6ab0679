// --- how fast both are -----------------------------------------------------------------------------

const PLOT = { width: 320, height: 170, left: 38, right: 10, top: 10, bottom: 26 };
// Values that are further apart are drawn on a logarithmic scale.
const WIDE = 12;
const SIDES = [["provider", "Provider"], ["vast", "Vast"]];

/** Where values stand on the x axis, and which of them are written there. */
function scaleOf(values) {
  const [least, most] = [Math.max(Math.min(...values), 1e-4), Math.max(...values, 2e-4)];
  const room = PLOT.width - PLOT.left - PLOT.right;
  if (most / least < WIDE) {
    const top = most * 1.04;
    const step = steps(top / 4);
    const ticks = Array.from({ length: Math.floor(top / step) + 1 }, (_, index) => index * step);
    return { at: (value) => PLOT.left + (value / top) * room, ticks, logarithmic: false };
  }
  const [from, to] = [Math.log10(least) - 0.05, Math.log10(most) + 0.05];
  const at = (value) => PLOT.left + ((Math.log10(Math.max(value, least)) - from) / (to - from)) * room;
  const few = to - from > 2.2 ? [1] : to - from > 1.4 ? [1, 3] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(from); power <= to; power += 1) {
    for (const digit of few) {
      const tick = digit * 10 ** power;
      if (Math.log10(tick) >= from && Math.log10(tick) <= to) ticks.push(tick);
    }
  }
  return { at, ticks, logarithmic: true };
}

/** The next of 1, 2, 5, 10, 20, … */
function steps(atLeast) {
  const power = 10 ** Math.floor(Math.log10(atLeast));
  return [1, 2, 5, 10].find((digit) => digit * power >= atLeast * 0.999) * power;
}

const high = (share) => PLOT.height - PLOT.bottom - share * (PLOT.height - PLOT.top - PLOT.bottom);

/** The share of the answers that are not above a value, for each value: it grows in steps. */
function curve(percentiles, at, kind) {
  const steps = percentiles.slice(1, 100).map((value, rank) => `H${at(value).toFixed(1)}V${high((rank + 1) / 100).toFixed(1)}`);
  return drawn("path", { class: `curve ${kind}`, d: `M${at(percentiles[1]).toFixed(1)},${high(0)}${steps.join("")}` });
}

const rounded = (value) => Number(value.toPrecision(3)).toLocaleString("en-US");
const secondsTick = (value) => (value > 0 && value < 0.1 ? `${rounded(value * 1000)} ms` : `${rounded(value)} s`);

function axes(scale, tickWord) {
  const bottom = PLOT.height - PLOT.bottom;
  const made = [0, 0.5, 1].flatMap((share) => [
    drawn("line", { class: "grid", x1: PLOT.left, x2: PLOT.width - PLOT.right, y1: high(share), y2: high(share) }),
    drawn("text", { class: "tick", x: PLOT.left - 5, y: high(share) + 3.5, "text-anchor": "end" }, `${share * 100} %`),
  ]);
  for (const tick of scale.ticks) {
    const x = scale.at(tick);
    made.push(
      drawn("line", { class: "grid", x1: x, x2: x, y1: bottom, y2: bottom + 4 }),
      drawn("text", { class: "tick", x, y: bottom + 16, "text-anchor": x > PLOT.width - 30 ? "end" : "middle" }, tickWord(tick)),
    );
  }
  return made;
}

function plot(title, compared, word, tickWord, better) {
  const known = SIDES.filter(([side]) => compared[side].answers);
  // The outermost hundredths would make the rest small.
  const values = known.flatMap(([side]) => compared[side].percentiles.slice(1, 100));
  const figure = element("figure", {}, element("figcaption", {}, element("b", {}, title)));
  if (!values.length) {
    figure.append(element("p", { class: "quiet" }, "Not known of any answer."));
    return figure;
  }
  const scale = scaleOf(values);
  const svg = drawn("svg", { class: "plot", viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, role: "img" }, ...axes(scale, tickWord));
  for (const [side] of known) {
    const x = scale.at(compared[side].median);
    svg.append(
      drawn("line", { class: `median ${side}`, x1: x, x2: x, y1: high(0), y2: high(1) }),
      curve(compared[side].percentiles, scale.at, side),
    );
  }
  const said = known.map(([side, name]) => `${name}: median ${word(compared[side].median)}`).join(", ");
  svg.setAttribute("aria-label", `${title}, share of the answers that are not above a value. ${said}.`);
  figure.append(svg, numbersOf(title, compared, word));
  if (compared.pairs) {
    figure.append(element("p", { class: "quiet" }, `${better} on Vast in ${percent(compared.vast_better / compared.pairs)} of ${counted(compared.pairs, "pair")} of answers.`));
  }
  if (scale.logarithmic) figure.append(element("p", { class: "quiet" }, "The scale is logarithmic."));
  return figure;
}

function numbersOf(title, compared, word) {
  const table = element("table", { class: "small" },
    element("caption", { class: "unseen" }, `${title} in numbers`),
    element("thead", {}, element("tr", {}, ...["", "Median", "p95", "Answers"].map((head, index) =>
      index ? element("th", { scope: "col", class: "number" }, head) : element("td", {})))),
    element("tbody"));
  for (const [side, name] of SIDES) {
    const { median, p95, answers } = compared[side];
    table.tBodies[0].append(element("tr", {},
      element("th", { scope: "row" }, element("span", { class: `key ${side}` }, name)),
      ...[word(median), word(p95), count(answers)].map((cell) => element("td", { class: "number" }, cell))));
  }
  return table;
}

function showSpeed({ speed }) {
  const kinds = [
    ["Time to first token", speed.time_to_first_token, duration, secondsTick, "Shorter"],
    ["Tokens per second", speed.tokens_per_second, rate, rounded, "More"],
    ["Time of the whole answer", speed.seconds, duration, secondsTick, "Shorter"],
  ];
  byId("speed-section").hidden = kinds.every(([, compared]) => !compared.provider.answers && !compared.vast.answers);
  byId("plots").append(...kinds.map((kind) => plot(...kind)));
  const { answers, longest } = speed.waited;
  byId("waited").hidden = !answers;
  if (answers) {
    byId("waited").textContent = `Vast's times include waiting for a worker to be ready: ${counted(answers, "answer")} waited, ${duration(longest)} at most.`;
  }
}
