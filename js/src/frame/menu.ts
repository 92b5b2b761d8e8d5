// A button that opens the list of formats in which the open view can be saved.
import { h } from "../core/dom";
import { claim } from "../core/keyboard";

export const FORMATS = [
  { name: "png", label: "Picture (PNG)", title: "The shown view as a picture" },
  { name: "svg", label: "Drawing (SVG)", title: "The shown view with lines and text that can be edited" },
  { name: "csv", label: "Weights (CSV)", title: "One line for each pair of tokens and each picked head" },
  {
    name: "spreadsheet",
    label: "For a spreadsheet (CSV)",
    title: "The same; tokens that look like a formula get an apostrophe in front",
  },
  { name: "json", label: "Weights (JSON)", title: "Tokens and weights of the picked heads" },
  {
    name: "pharaoh",
    label: "Alignment (Pharaoh)",
    title: "For each target word the source word with the largest weight",
  },
] as const;
export type Format = (typeof FORMATS)[number]["name"];

export function createExportMenu(
  events: { save(format: Format): void },
  id: string,
  signal: AbortSignal,
): HTMLElement {
  const toggle = h("button", {
    class: "xattn-export-toggle",
    text: "Export",
    attrs: { type: "button", "aria-expanded": "false", "aria-controls": `${id}-export` },
  });
  const buttons = FORMATS.map(({ name, label, title }) => {
    const button = h("button", { text: label, title, attrs: { type: "button", "data-format": name } });
    button.addEventListener(
      "click",
      () => {
        open(false);
        events.save(name);
      },
      { signal },
    );
    return button;
  });
  const list = h(
    "div",
    { class: "xattn-export-list", attrs: { id: `${id}-export`, role: "group", "aria-label": "Export as" } },
    ...buttons,
  );
  list.hidden = true;
  const element = h("div", { class: "xattn-export" }, toggle, list);

  function open(on: boolean): void {
    if (!on && list.contains(element.ownerDocument.activeElement)) toggle.focus();
    list.hidden = !on;
    toggle.setAttribute("aria-expanded", String(on));
  }
  toggle.addEventListener("click", () => open(Boolean(list.hidden)), { signal });
  element.addEventListener(
    "focusout",
    (event) => {
      if (event.relatedTarget instanceof Node && !element.contains(event.relatedTarget)) open(false);
    },
    { signal },
  );
  element.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape" || list.hidden) return;
      claim(event);
      open(false);
      toggle.focus();
    },
    { signal },
  );
  return element;
}
