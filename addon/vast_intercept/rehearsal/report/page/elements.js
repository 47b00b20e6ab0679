// Made by vast-intercept. Whatever comes from apps, models and servers is text, never markup: the
// policy in this file's head has the browser refuse to make HTML of a text.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const NOTHING = "–";

const byId = (id) => document.getElementById(id);

// --- making elements ---------------------------------------------------------------------------

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null).map((child) => (typeof child === "string" ? visible(child) : child)));
  return made;
}

function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A row of a table. The first cell is its header. A cell is a text, a node, or a list of these. */
function row(table, ...cells) {
  const heads = [...table.tHead.rows[0].cells];
  const made = element("tr", { role: "row" });
  cells.forEach((cell, index) => {
    const { className, textContent } = heads[index];
    const [tag, role] = index ? ["td", { role: "cell" }] : ["th", { role: "rowheader", scope: "row" }];
    const node = element(tag, { ...role, "data-label": textContent }, ...[cell].flat());
    if (className) node.className = className;
    node.classList.toggle("nothing", cell === NOTHING);
    made.append(node);
  });
  table.tBodies[0].append(made);
  return made;
}

/** Says of tables what they are: some browsers forget it of those that CSS makes cards of. */
function keepRoles() {
  for (const table of document.querySelectorAll("table")) {
    table.setAttribute("role", "table");
    for (const group of [table.tHead, ...table.tBodies]) group.setAttribute("role", "rowgroup");
    for (const line of table.rows) line.setAttribute("role", "row");
    for (const cell of table.tHead.rows[0].cells) cell.setAttribute("role", "columnheader");
  }
}

function tiles(list, pairs) {
  for (const [term, value, more, kind] of pairs) {
    const number = element("dd", kind ? { class: kind } : {}, value);
    if (more) number.append(element("small", {}, more));
    list.append(element("div", {}, element("dt", {}, term), number));
  }
}

// --- words ---------------------------------------------------------------------------------------

// What cannot be seen but has an effect: control characters, and what turns text around.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\ufff9-\ufffb]|\p{Cs}/gu;

/** A text of which everything can be seen. */
function visible(text) {
  return text.replace(/\r\n/g, "\n").replace(UNSEEN, (char) => {
    const code = char.codePointAt(0).toString(16).toUpperCase();
    return `[U+${code.padStart(4, "0")}]`;
  });
}

const count = (value) => Math.round(value).toLocaleString("en-US");
const counted = (value, word) => `${count(value)} ${value === 1 ? word : `${word}s`}`;
const listed = (...words) => words.filter(Boolean).join(" · ");
const isKnown = (value) => value !== null && value !== undefined;

/** What is not all is not called all, and what is not nothing is not called nothing. */
function percent(share) {
  if (share === 0 || share === 1) return `${share * 100} %`;
  const value = Math.min(Math.max(share * 100, 0.1), 99.9);
  return `${value.toFixed(value < 10 || value >= 99 ? 1 : 0)} %`;
}

function duration(seconds) {
  if (!isKnown(seconds)) return NOTHING;
  if (seconds < 0.0995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(2)} s`;
  if (seconds < 99.5) return `${seconds.toFixed(1)} s`;
  if (seconds < 5999) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

function rate(value) {
  if (!isKnown(value)) return NOTHING;
  return value >= 9.95 ? count(value) : value.toFixed(1);
}

function dollars(value) {
  if (!isKnown(value)) return "not known";
  if (value === 0 || value >= 0.995) return `$${value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  return `$${value.toLocaleString("en-US", { maximumSignificantDigits: 2, minimumSignificantDigits: 2 })}`;
}

function moment(time, options = { dateStyle: "medium", timeStyle: "short" }) {
  return new Date(time * 1000).toLocaleString("en-GB", options);
}

/** A sentence, of which code is what stands between backticks. */
function prose(text) {
  return text.split(/`([^`\n]+)`/).map((part, index) => (index % 2 ? element("code", {}, part) : part)).filter(Boolean);
}

/** In the one place that is read out when it changes. */
const say = (text) => { byId("said").textContent = text; };

// --- what is packed into this file ---------------------------------------------------------------

const read = new Promise((done) => {
  if (document.readyState !== "loading") done();
  else document.addEventListener("DOMContentLoaded", done, { once: true });
});

/** The JSON in an element: an array that was compressed. */
async function unpacked(id) {
  // An element grows until something follows it.
  if (!byId(id)?.nextElementSibling) await read;
  const packed = atob(byId(id).textContent);
  const bytes = new Uint8Array(packed.length);
  for (let index = 0; index < packed.length; index += 1) bytes[index] = packed.charCodeAt(index);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}
