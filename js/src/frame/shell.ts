// The panel's skeleton: where each view stands, and nothing of what it shows.
import { h } from "../core/dom";

export interface Rooms {
  header: HTMLElement;
  live: HTMLElement;
  score: HTMLElement;
  heads: HTMLElement;
  layers: HTMLElement;
  ranking: HTMLElement;
  tabs: HTMLElement;
  options: HTMLElement;
  picked: HTMLElement;
  loading: HTMLElement;
  alert: HTMLElement;
  detail: HTMLElement;
  views: HTMLElement[];
}

export interface Shell {
  root: HTMLElement;
  /** The tab panel that holds the views. */
  view: HTMLElement;
  /** Stands in for a view that has nothing to draw yet. */
  empty: HTMLElement;
  notes: HTMLElement;
  /** Read out by screen readers: what is picked, and what is being looked at. */
  summary: HTMLElement;
  live: HTMLElement;
}

export function createShell(id: string, rooms: Rooms): Shell {
  const live = h("div", { class: "xattn-hidden", attrs: { "aria-live": "polite" } });
  const summary = h("div", { class: "xattn-hidden", attrs: { "aria-live": "polite" } });
  const empty = h("div", { class: "xattn-empty" });
  const notes = h("ul", { class: "xattn-notes" });
  const view = h(
    "div",
    { class: "xattn-view", attrs: { role: "tabpanel", id: `${id}-panel` } },
    empty,
    ...rooms.views,
  );
  const side = h(
    "aside",
    { class: "xattn-side", attrs: { "aria-label": "Heads" } },
    rooms.score,
    h("div", { class: "xattn-grid-box" }, rooms.heads, rooms.layers),
    rooms.ranking,
  );
  const main = h(
    "div",
    { class: "xattn-main" },
    rooms.tabs,
    rooms.options,
    h("div", { class: "xattn-above" }, rooms.picked, rooms.loading),
    rooms.alert,
    h("div", { class: "xattn-stage" }, view, rooms.detail),
    notes,
  );
  const root = h(
    "section",
    {
      class: "xattn",
      // JupyterLab takes keys before they reach the panel, unless an element says that it wants them itself.
      attrs: { "aria-label": "Cross-attention", "data-lm-suppress-shortcuts": "true" },
    },
    rooms.header,
    rooms.live,
    h("div", { class: "xattn-body" }, side, main),
    summary,
    live,
  );
  return { root, view, empty, notes, summary, live };
}
