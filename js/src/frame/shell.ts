// The panel's skeleton: where each part is placed, but nothing about what it shows.
import { h } from "../core/dom";

export interface Parts {
  header: HTMLElement;
  experiments: HTMLElement;
  score: HTMLElement;
  grid: HTMLElement;
  layers: HTMLElement;
  ranking: HTMLElement;
  tabs: HTMLElement;
  options: HTMLElement;
  picked: HTMLElement;
  loading: HTMLElement;
  alert: HTMLElement;
  stage: HTMLElement;
  readout: HTMLElement;
  notes: HTMLElement;
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

export function fillRoot(root: HTMLElement, parts: Parts): void {
  const side = h(
    "aside",
    { class: "xattn-side", attrs: { "aria-label": "Heads" } },
    parts.score,
    h("div", { class: "xattn-grid-box" }, parts.grid, parts.layers),
    parts.ranking,
  );
  const main = h(
    "div",
    { class: "xattn-main" },
    parts.tabs,
    parts.options,
    h("div", { class: "xattn-above" }, parts.picked, parts.loading),
    parts.alert,
    h("div", { class: "xattn-stage" }, parts.stage, parts.readout),
    parts.notes,
  );
  root.append(
    parts.header,
    parts.experiments,
    h("div", { class: "xattn-body" }, side, main),
    ...parts.spoken,
  );
}
