// A button that opens the list of formats in which the open view can be saved.
import type { Context } from "../core/context";
import { h } from "../core/dom";
import { createPopover } from "../core/popover";

export const FORMATS = [
  { name: "png", label: "PNG", title: "The open view as a picture" },
  { name: "svg", label: "SVG", title: "The open view as a drawing; its lines and text can be edited" },
  {
    name: "csv",
    label: "CSV",
    title: "The numbers of the open view; of weights, one line for each pair of tokens and each head",
  },
  {
    name: "spreadsheet",
    label: "CSV for a spreadsheet",
    title: "The same; a token that looks like a formula gets an apostrophe in front",
  },
  { name: "json", label: "JSON", title: "The tokens and the weights of the picked heads" },
  {
    name: "pharaoh",
    label: "Pharaoh alignment",
    title: "For each target word, the source word with the largest weight",
  },
] as const;
export type Format = (typeof FORMATS)[number]["name"];

export function createExportMenu(
  events: { save(format: Format): void },
  { root, id, signal }: Pick<Context, "root" | "id" | "signal">,
  formats: readonly { name: Format; label: string; title: string }[] = FORMATS,
): HTMLElement {
  const toggle = h("button", {
    class: "xattn-export-toggle",
    text: "Export",
    title: "Save the open view",
    attrs: { type: "button" },
  });
  const buttons = formats.map(({ name, label, title }) => {
    const button = h("button", { text: label, title, attrs: { type: "button", "data-format": name } });
    button.addEventListener(
      "click",
      () => {
        menu.open(false);
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
  const menu = createPopover(toggle, list, root, signal);
  return menu.element;
}
