// --- what differs between two texts ----------------------------------------------------------------

// Words, runs of blanks, and everything else one by one.
const WORDS = /[\p{L}\p{N}_]+|\s+|[^]/gu;
// Beyond so many differing words, the work would grow with their square.
const MOST_EDITS = 1500;

/** Two lists of `[text, differs]`, one for each text. Without `exact`, the texts are too different
 * to be compared word by word, and all between their common ends counts as differing. */
function differences(one, other) {
  const [left, right] = [one.match(WORDS) ?? [], other.match(WORDS) ?? []];
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start += 1;
  let [leftEnd, rightEnd] = [left.length, right.length];
  while (leftEnd > start && rightEnd > start && left[leftEnd - 1] === right[rightEnd - 1]) {
    leftEnd -= 1;
    rightEnd -= 1;
  }
  const words = left.slice(start, leftEnd);
  const middle = withoutBlanks(common(words, right.slice(start, rightEnd)), words);
  const kept = (side) => new Set(middle?.map((pair) => pair[side] + start));
  return {
    left: marked(left, start, leftEnd, kept(0)),
    right: marked(right, start, rightEnd, kept(1)),
    exact: middle !== null,
  };
}

/** Without the blanks that stand between differing words only: they would cut these in pieces. */
function withoutBlanks(pairs, words) {
  if (!pairs) return null;
  const runs = [];
  for (const pair of pairs.toReversed()) {
    const last = runs.at(-1)?.at(-1);
    if (last && last[0] + 1 === pair[0] && last[1] + 1 === pair[1]) runs.at(-1).push(pair);
    else runs.push([pair]);
  }
  return runs.filter((run) => run.some(([place]) => words[place].trim())).flat();
}

/** Places of the words that both lists have in the same order; null if they differ too much.
 * E. Myers, An O(ND) Difference Algorithm and Its Variations (1986), greedy. */
function common(left, right) {
  const most = Math.min(left.length + right.length, MOST_EDITS);
  const furthest = new Int32Array(2 * most + 3);
  const steps = [];
  for (let edits = 0; edits <= most; edits += 1) {
    for (let line = -edits; line <= edits; line += 2) {
      const at = line + most + 1;
      const down = line === -edits || (line !== edits && furthest[at - 1] < furthest[at + 1]);
      let x = down ? furthest[at + 1] : furthest[at - 1] + 1;
      while (x < left.length && x - line < right.length && left[x] === right[x - line]) x += 1;
      furthest[at] = x;
      if (x >= left.length && x - line >= right.length) return traced(steps, left.length, right.length);
    }
    // Only what the next step may have come from.
    steps.push(furthest.slice(most + 1 - edits, most + 2 + edits));
  }
  return null;
}

/** The way back, from the ends of both lists to their beginnings. */
function traced(steps, leftLength, rightLength) {
  const pairs = [];
  let [x, y] = [leftLength, rightLength];
  for (let edits = steps.length; edits > 0; edits -= 1) {
    const before = steps[edits - 1];
    const reached = (line) => before[line + edits - 1] ?? -1;
    const line = x - y;
    const down = line === -edits || (line !== edits && reached(line - 1) < reached(line + 1));
    const from = down ? line + 1 : line - 1;
    const [fromX, fromY] = [reached(from), reached(from) - from];
    while (x > fromX + (down ? 0 : 1) && y > fromY + (down ? 1 : 0)) pairs.push([(x -= 1), (y -= 1)]);
    [x, y] = [fromX, fromY];
  }
  while (x > 0 && y > 0) pairs.push([(x -= 1), (y -= 1)]);
  return pairs;
}

function marked(words, start, end, kept) {
  const parts = [];
  words.forEach((word, index) => {
    const differs = index >= start && index < end && !kept.has(index);
    if (parts.at(-1)?.[1] === differs) parts.at(-1)[0] += word;
    else parts.push([word, differs]);
  });
  return parts;
}

// --- JSON, indented --------------------------------------------------------------------------------

const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g;
const DEEPEST = 40;

/** JSON with a line for each value; null if the text is not JSON. Its numbers and its escapes stay
 * as they are, which `JSON.parse` would change. */
function indented(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const tokens = text.match(TOKENS) ?? [];
  let [made, depth] = ["", 0];
  // Deeper than anybody reads, indentation would be most of the text.
  const line = () => `\n${"  ".repeat(Math.min(depth, DEEPEST))}`;
  tokens.forEach((token, index) => {
    const opened = "[{".includes(tokens[index - 1] ?? " ");
    if (token === "]" || token === "}") {
      depth -= 1;
      made += opened ? token : line() + token;
      return;
    }
    if (opened) made += line();
    if (token === "[" || token === "{") depth += 1;
    made += token;
    if (token === ",") made += line();
    if (token === ":") made += " ";
  });
  return made;
}
