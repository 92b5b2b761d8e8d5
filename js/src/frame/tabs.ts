// The tabs of the main view, and the button that opens the options where there is little room.

import type { PanelName } from "../core/contract";
import { h } from "../core/dom";
import { claim } from "../core/keyboard";

export interface TabsView {
  element: HTMLElement;
  /** Where more buttons of the bar go. */
  bar: HTMLElement;
  show(panel: PanelName): void;
}

const PANELS: { name: PanelName; label: string; title: string }[] = [
  { name: "lines", label: "Lines", title: "Lines between source and target tokens" },
  { name: "matrix", label: "Matrix", title: "Heat map of the picked heads" },
  {
    name: "compare",
    label: "Compare",
    title: "Two heads, sentences or models side by side, and their difference",
  },
  { name: "scores", label: "Scores", title: "Every head by every score" },
  { name: "all", label: "All heads", title: "Every head as a small picture" },
];

export function createTabs(
  events: { panel(panel: PanelName): void; options(open: boolean): void },
  id: string,
  signal: AbortSignal,
): TabsView {
  const buttons = PANELS.map(({ name, label, title }) =>
    h("button", {
      class: "xattn-tab",
      text: label,
      title,
      attrs: { type: "button", role: "tab", id: `${id}-tab-${name}`, "aria-controls": `${id}-panel` },
    }),
  );
  const list = h(
    "div",
    { class: "xattn-tabs", attrs: { role: "tablist", "aria-label": "View" } },
    ...buttons,
  );
  const toggle = h("button", {
    class: "xattn-toggle",
    text: "Options",
    attrs: { type: "button", "aria-expanded": "false", "aria-controls": `${id}-options` },
  });
  const bar = h("div", { class: "xattn-bar-tools" }, toggle);
  const element = h("div", { class: "xattn-tabbar" }, list, bar);
  let open = false;
  let shown: PanelName | null = null;

  toggle.addEventListener(
    "click",
    () => {
      open = !open;
      toggle.setAttribute("aria-expanded", String(open));
      events.options(open);
    },
    { signal },
  );
  buttons.forEach((button, index) => {
    button.addEventListener("click", () => events.panel(PANELS[index]?.name ?? "lines"), { signal });
    button.addEventListener(
      "keydown",
      (event) => {
        const step = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: PANELS.length - 1 }[
          event.key
        ];
        if (step === undefined) return;
        claim(event);
        const next = (step + PANELS.length) % PANELS.length;
        buttons[next]?.focus();
        events.panel(PANELS[next]?.name ?? "lines");
      },
      { signal },
    );
  });

  return {
    element,
    bar,
    show(panel) {
      if (shown === panel) return;
      shown = panel;
      buttons.forEach((button, index) => {
        const on = PANELS[index]?.name === panel;
        button.setAttribute("aria-selected", String(on));
        button.tabIndex = on ? 0 : -1;
      });
    },
  };
}
