// The panel's skeleton: where each part is placed, but nothing about what it shows.
import { h } from "../core/dom";

export interface Parts {
  skip: HTMLElement;
  header: HTMLElement;
  tabs: HTMLElement;
  picked: HTMLElement;
  loading: HTMLElement;
  alert: HTMLElement;
  stage: HTMLElement;
  readout: HTMLElement;
  experiments: HTMLElement;
  notes: HTMLElement;
  options: HTMLElement;
  score: HTMLElement;
  grid: HTMLElement;
  layers: HTMLElement;
  ranking: HTMLElement;
  /** Hidden; for screen readers. */
  spoken: HTMLElement[];
}

export function createRoot(): HTMLElement {
  return h("section", {
    class: "xattn",
    // JupyterLab takes keys before they reach the panel, unless an element asks for them.
    attrs: { "aria-label": "Cross-attention", "data-lm-suppress-shortcuts": "true" },
  });
}

/** In the order of the Tab key: the open view first, then what changes it. */
export function fillRoot(root: HTMLElement, parts: Parts): void {
  const main = h(
    "div",
    { class: "xattn-main" },
    parts.tabs,
    h("div", { class: "xattn-above" }, parts.picked, parts.loading),
    parts.alert,
    h("div", { class: "xattn-stage" }, parts.stage, parts.readout),
    parts.experiments,
    parts.notes,
  );
  const heads = h(
    "div",
    { class: "xattn-side-heads", attrs: { role: "group", "aria-label": "Heads" } },
    parts.score,
    h("div", { class: "xattn-grid-box" }, parts.grid, parts.layers),
    parts.ranking,
  );
  const side = h(
    "aside",
    { class: "xattn-side", attrs: { "aria-label": "Options and heads" } },
    parts.options,
    heads,
  );
  root.append(parts.skip, parts.header, h("div", { class: "xattn-body" }, main, side), ...parts.spoken);
}
