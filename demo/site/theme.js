// Light or dark: the system's choice until the user makes one, which is kept.

import { $ } from "./dom.js";
import { kept } from "./store.js";

const KEY = "lilm.theme";

export function startTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    document.documentElement.dataset.theme = kept.get(KEY) ?? (dark.matches ? "dark" : "light");
  };
  dark.addEventListener("change", apply);
  $("theme").addEventListener("click", () => {
    kept.set(KEY, document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    apply();
  });
  apply();
}
