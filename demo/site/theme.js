// Light or dark: the system's choice until the user makes one, which is kept.

import { $ } from "./dom.js";
import { kept } from "./store.js";

const KEY = "lilm.theme";

export function startTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = kept.get(KEY);
    const own = chosen === "dark" || chosen === "light" ? chosen : null;
    document.documentElement.dataset.theme = own ?? (dark.matches ? "dark" : "light");
  };
  dark.addEventListener("change", apply);
  $("theme").addEventListener("click", () => {
    kept.set(KEY, document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    apply();
  });
  apply();
}
