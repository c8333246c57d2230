"use strict";

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, textarea, select, [contenteditable]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("search").focus();
    document.getElementById("search").select();
  } else if (event.key === "t") switchTheme();
});

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
const beside = !document.body.classList.contains("full");
menu.open = beside && wide.matches;
wide.addEventListener("change", () => (menu.open = beside && wide.matches));
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

