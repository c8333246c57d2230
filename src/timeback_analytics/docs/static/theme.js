// Before anything is drawn: the theme that the reader chose last time; none means the system's.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("timeback-theme");
  } catch {
    // storage may be closed to pages from disk
  }
  const asked = new URLSearchParams(location.search).get("theme");
  const theme = asked || chosen;
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
