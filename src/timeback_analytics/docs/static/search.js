"use strict";

// MiniSearch ranks; words are compared by their stems, so that idle finds idling.
const root = document.body.dataset.root;
const input = document.getElementById("search");
const list = document.getElementById("results");
const status = document.getElementById("search-status");
const KINDS = { guide: 1.5, dataset: 1.5, question: 1.6, dashboard: 1.1, metric: 1.2, domain: 1.1, consumer: 0.9, column: 1, source: 0.4 };
const SHOWN = 40;
// what a question is asked with, and says nothing about what it is after
const EMPTY = new Set("a an and are can do does for get had has have how i in is it me my of on or our show the there to was we were what when where which who with".split(" "));
let index = null;
let active = -1;

function words(text) {
  return text.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
}

function stem(word) {
  const lower = word.toLowerCase();
  return EMPTY.has(lower) ? null : stemmer(lower);
}

function prepare() {
  index = new MiniSearch({
    fields: ["name", "synonyms", "text", "around"],
    storeFields: ["title", "kind", "url", "text"],
    tokenize: words,
    processTerm: stem,
    extractField: (entry, field) => {
      // a column's dataset counts little: else each column of sessions_waste would be about waste
      if (field === "name") return entry.kind === "column" ? entry.title.split(".")[1] : entry.title;
      if (field === "around") return entry.kind === "column" ? entry.title.split(".")[0] : "";
      return entry[field];
    },
  });
  index.addAll(window.SEARCH_INDEX.map((entry, id) => ({ ...entry, id })));
}

function find(text) {
  if (!index) prepare();
  const options = {
    boost: { name: 4, synonyms: 3, around: 0.5 },
    prefix: (term, place, terms) => place === terms.length - 1 && term.length > 1,
    fuzzy: (term) => (term.length > 5 ? 0.15 : false),
    boostDocument: (id, term, stored) => KINDS[stored.kind],
    filter: (found) => Object.values(found.match).some((fields) => fields.some((field) => field !== "around")),
  };
  const all = index.search(text, { ...options, combineWith: "AND" });
  return all.length ? all : index.search(text, { ...options, combineWith: "OR" });
}

function excerpt(text, terms) {
  const at = [...text.matchAll(/[\p{L}\p{N}]+/gu)].find((word) => terms.has(stem(word[0])))?.index ?? 0;
  const from = at < 60 ? 0 : text.lastIndexOf(" ", at - 40) + 1;
  const rest = text.slice(from);
  const shown = rest.length > 150 ? `${rest.slice(0, rest.lastIndexOf(" ", 150))} …` : rest;
  return (from ? "… " : "") + shown;
}

// The text with the words that were found marked, as nodes: nothing is ever parsed as HTML.
function marked(text, terms) {
  return text.split(/([\p{L}\p{N}]+)/u).map((part, place) => {
    if (place % 2 === 0 || !terms.has(stem(part))) return document.createTextNode(part);
    const mark = document.createElement("mark");
    mark.textContent = part;
    return mark;
  });
}

function option(found, place) {
  const terms = new Set(found.terms);
  const link = document.createElement("a");
  link.id = `result-${place}`;
  link.setAttribute("role", "option");
  link.setAttribute("aria-selected", "false");
  link.href = root + found.url;
  link.tabIndex = -1;
  const kind = document.createElement("span");
  kind.className = "kind";
  kind.textContent = found.kind;
  const title = document.createElement("strong");
  title.append(...marked(found.title, terms));
  const text = document.createElement("span");
  text.className = "excerpt";
  text.append(...marked(excerpt(found.text, terms), terms));
  link.append(kind, title, text);
  return link;
}

function search() {
  const asked = input.value.trim();
  list.replaceChildren();
  active = -1;
  input.removeAttribute("aria-activedescendant");
  const found = asked ? find(asked) : [];
  list.append(...found.slice(0, SHOWN).map(option));
  if (asked && !found.length) {
    const item = document.createElement("div");
    item.className = "none";
    item.setAttribute("role", "option");
    item.setAttribute("aria-disabled", "true");
    item.textContent = `Nothing has “${asked}” in it.`;
    list.append(item);
  }
  list.hidden = !asked;
  input.setAttribute("aria-expanded", String(Boolean(asked)));
  status.textContent = asked ? `${found.length} found` : "";
  if (found.length) choose(0);
}

function choose(place) {
  const items = list.querySelectorAll("[aria-selected]");
  if (!items.length) return;
  items[active]?.setAttribute("aria-selected", "false");
  active = (place + items.length) % items.length;
  items[active].setAttribute("aria-selected", "true");
  items[active].scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", items[active].id);
}

function close() {
  list.hidden = true;
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

input.addEventListener("input", search);
input.addEventListener("focus", () => input.value && search());
input.form.addEventListener("submit", (event) => event.preventDefault());
input.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown") choose(active + 1);
  else if (event.key === "ArrowUp") choose(active - 1);
  else if (event.key === "Enter") list.querySelector("[aria-selected=true]")?.click();
  else if (event.key === "Escape") {
    input.value = "";
    close();
    input.blur();
  } else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  if (!input.form.contains(event.target)) close();
  else if (event.target.closest("#results a")) close();
});

// #search=waste opens the search with a word in it, so that a search can be linked to.
function searchOfAddress() {
  const asked = location.hash.match(/^#search=(.*)$/);
  if (!asked) return;
  input.value = decodeURIComponent(asked[1].replaceAll("+", " "));
  input.focus();
  search();
}
window.addEventListener("hashchange", searchOfAddress);
searchOfAddress();
