"use strict";

const root = document.body.dataset.root;
const input = document.getElementById("search");
const list = document.getElementById("results");
const status = document.getElementById("search-status");
const KINDS = { dataset: 40, question: 34, domain: 30, guide: 44, column: 20, source: 0 };
const SHOWN = 40;
const entries = window.SEARCH_INDEX.map((entry) => ({
  ...entry,
  titleWords: words(entry.kind === "column" ? entry.title.split(".")[1] : entry.title),
  aroundWords: entry.kind === "column" ? words(entry.title.split(".")[0]) : [],
  textWords: words(entry.text),
}));
let active = -1;

function words(text) {
  return text.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean);
}

// Every word asked for must begin a word of the title or the text; words in the title weigh more. The name of
// a column's dataset counts too, but not alone: else each column of sessions_waste would be about waste.
function score(entry, asked) {
  let own = 0;
  let around = 0;
  for (const word of asked) {
    const begins = (known) => known.startsWith(word);
    if (entry.titleWords.includes(word)) own += 100;
    else if (entry.titleWords.some(begins)) own += 70;
    else if (entry.textWords.includes(word)) own += 30;
    else if (entry.textWords.some(begins)) own += 15;
    else if (entry.aroundWords.some(begins)) around += 25;
    else return 0;
  }
  return own ? own + around + KINDS[entry.kind] - entry.titleWords.length : 0;
}

function excerpt(text, asked) {
  const at = Math.min(
    ...asked.map((word) => text.toLowerCase().search(new RegExp(`(?<![\\p{L}\\p{N}])${word}`, "u")))
      .map((place) => (place < 0 ? Infinity : place)),
  );
  const from = at === Infinity || at < 60 ? 0 : text.lastIndexOf(" ", at - 40) + 1;
  const rest = text.slice(from);
  const shown = rest.length > 150 ? `${rest.slice(0, rest.lastIndexOf(" ", 150))} …` : rest;
  return (from ? "… " : "") + shown;
}

// The text with the words that were asked for marked, as nodes: nothing is ever parsed as HTML.
function marked(text, asked) {
  const pattern = new RegExp(`((?<![\\p{L}\\p{N}])(?:${asked.join("|")})[\\p{L}\\p{N}]*)`, "giu");
  return text.split(pattern).map((part, index) => {
    if (index % 2 === 0) return document.createTextNode(part);
    const mark = document.createElement("mark");
    mark.textContent = part;
    return mark;
  });
}

function search() {
  const asked = words(input.value);
  list.replaceChildren();
  active = -1;
  input.removeAttribute("aria-activedescendant");
  const found = asked.length
    ? entries
        .map((entry) => [score(entry, asked), entry])
        .filter(([points]) => points > 0)
        .sort((a, b) => b[0] - a[0] || a[1].title.localeCompare(b[1].title))
    : [];
  found.slice(0, SHOWN).forEach(([, entry], index) => {
    const item = document.createElement("li");
    item.id = `result-${index}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    const link = document.createElement("a");
    link.href = root + entry.url;
    link.tabIndex = -1;
    const kind = document.createElement("span");
    kind.className = "kind";
    kind.textContent = entry.kind;
    const title = document.createElement("strong");
    title.append(...marked(entry.title, asked));
    const text = document.createElement("span");
    text.className = "excerpt";
    text.append(...marked(excerpt(entry.text, asked), asked));
    link.append(kind, title, text);
    item.append(link);
    list.append(item);
  });
  if (asked.length && !found.length) {
    const item = document.createElement("li");
    item.className = "none";
    item.textContent = `Nothing has “${input.value.trim()}” in it.`;
    list.append(item);
  }
  const open = asked.length > 0;
  list.hidden = !open;
  input.setAttribute("aria-expanded", String(open));
  status.textContent = open ? `${found.length} found` : "";
  if (found.length) choose(0);
}

function choose(index) {
  const items = list.querySelectorAll("[role=option]");
  if (!items.length) return;
  items[active]?.setAttribute("aria-selected", "false");
  active = (index + items.length) % items.length;
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
  else if (event.key === "Enter") list.querySelector("[aria-selected=true] a")?.click();
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
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    input.focus();
    input.select();
  } else if (event.key === "t") switchTheme();
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

function switchTheme() {
  const element = document.documentElement;
  const dark = element.dataset.theme
    ? element.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  element.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("timeback-theme", element.dataset.theme);
  } catch {
    // it is then forgotten with the page
  }
}
document.getElementById("theme").addEventListener("click", switchTheme);

// The list of all pages is open where there is room for it.
const wide = matchMedia("(min-width: 60rem)");
const menu = document.getElementById("menu");
menu.open = wide.matches;
wide.addEventListener("change", () => (menu.open = wide.matches));
const current = menu.querySelector("[aria-current]");
if (current && wide.matches) menu.closest("nav").scrollTop = current.offsetTop - innerHeight / 3;

for (const code of document.querySelectorAll(".code")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const text = code.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code.querySelector("code"));
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  code.append(button);
}

// In a diagram, the box that is pointed at or has the focus keeps its lines and neighbours; the rest fades.
for (const diagram of document.querySelectorAll("svg.diagram")) {
  const lines = [...diagram.querySelectorAll(".line")];
  const boxes = [...diagram.querySelectorAll(".box")];
  const show = (box) => {
    const name = box?.dataset.name;
    const near = new Set([name]);
    for (const line of lines) {
      const ends = line.dataset.ends.split(" ");
      const touches = ends.includes(name);
      line.classList.toggle("lit", Boolean(box) && touches);
      if (touches) ends.forEach((end) => near.add(end));
    }
    for (const each of boxes) each.classList.toggle("lit", Boolean(box) && near.has(each.dataset.name));
    diagram.classList.toggle("fading", Boolean(box));
  };
  for (const box of boxes) {
    box.addEventListener("mouseenter", () => show(box));
    box.addEventListener("mouseleave", () => show(null));
    box.addEventListener("focus", () => show(box));
    box.addEventListener("blur", () => show(null));
  }
}
// A diagram that is wider than its frame begins with the dataset in question in the middle.
for (const frame of document.querySelectorAll(".scroll")) {
  const box = frame.querySelector(".box.current");
  if (box && frame.scrollWidth > frame.clientWidth && !frame.querySelector(".source")) {
    const { left, width } = box.getBoundingClientRect();
    frame.scrollLeft = left - frame.getBoundingClientRect().left - (frame.clientWidth - width) / 2;
  }
}
