// The list of conversations and the line for notices in the Gradio chat's page, with the ids by which the modules of
// demo/site find them; as in its index.html.

import { $, el, iconButton } from "./site/dom.js";
import { hideNotice } from "./site/notice.js";
import { t } from "./site/texts.js";

export function buildDialog() {
  const dialog = el("dialog", { id: "talks", "aria-labelledby": "talks-title" });
  dialog.append(
    el(
      "div",
      { className: "dialog-head" },
      el("h2", { id: "talks-title", tabIndex: -1 }, t("talks")),
      iconButton("close", t("close"), () => dialog.close()),
    ),
    el(
      "p",
      { id: "deleted", className: "deleted", role: "status", hidden: true },
      el("span", { id: "deleted-text" }),
      button("deleted-undo", t("undo"), "small"),
    ),
    el("p", { id: "no-talks", className: "hint" }, t("noTalks")),
    el("ul", { id: "talk-list", className: "talk-list" }),
    el(
      "div",
      { className: "dialog-foot" },
      el(
        "span",
        { id: "save-one" },
        t("saveOne"),
        " ",
        button("save-markdown", "Markdown"),
        " ",
        button("save-json", "JSON"),
      ),
      el("span", {}, button("save-all", t("saveAll")), " ", button("import", t("import"))),
    ),
    el("input", {
      id: "import-file",
      type: "file",
      accept: ".json",
      className: "hidden-text",
      tabIndex: -1,
      ariaHidden: "true",
    }),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  const notice = el(
    "div",
    { id: "notice", role: "alert", hidden: true },
    el("span", { id: "notice-text" }),
    button("notice-action", "", "small"),
    iconButton("close", t("close"), hideNotice),
  );
  document.body.append(dialog, notice);
  $("open-talks").ariaHasPopup = "dialog";
}

/** @param {string} id @param {string} text */
function button(id, text, className = "plain") {
  return el("button", { id, type: "button", className }, text);
}
