// The theme that was chosen, set before the first paint; without a choice the system's own.

(() => {
  try {
    const theme = JSON.parse(localStorage.getItem("duologue") ?? "{}").theme;
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is blocked or holds something else: the system's theme it is.
  }
})();
