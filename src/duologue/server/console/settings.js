// What the user has chosen, kept in the browser: theme, devices, hands-free or not, shortcuts.

const KEY = "duologue";
const chosen = { theme: "system", turns: "auto", input: "", output: "", shortcuts: true, ...stored() };

function stored() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}");
  } catch {
    return {}; // blocked, or not ours
  }
}

export function setting(name) {
  return chosen[name];
}

export function choose(name, value) {
  chosen[name] = value;
  try {
    localStorage.setItem(KEY, JSON.stringify(chosen));
  } catch {
    // Storage is blocked: the choice lasts as long as the page.
  }
}

/** Follows a group of radio buttons, and shows what was chosen before. */
export function bindRadios(fieldset, name, changed) {
  for (const radio of fieldset.querySelectorAll("input")) {
    radio.checked = radio.value === chosen[name];
    radio.onchange = () => {
      choose(name, radio.value);
      changed(radio.value);
    };
  }
}

/** Sets the theme; theme.js does the same before the first paint. */
export function applyTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
