// The tabs of the main view and the options below them; native form elements with labels.
import { h, setText } from "../dom";
import { claim } from "../keyboard";
import type { PanelName, Traits } from "../types";

export type Options = Pick<
  Traits,
  "panel" | "aggregate" | "words" | "special" | "reading" | "orientation" | "threshold"
>;

export interface ControlsView {
  tabs: HTMLElement;
  options: HTMLElement;
  show(options: Options, heads: number): void;
}

const PANELS: { name: PanelName; label: string; title: string }[] = [
  { name: "lines", label: "Lines", title: "Lines between source and target tokens" },
  { name: "matrix", label: "Matrix", title: "Heat map of the picked heads" },
  { name: "all", label: "All heads", title: "Every head as a small picture" },
];

/** The slider is square-root scaled, like the weights: most of the useful thresholds are small. */
const toSlider = (threshold: number) => Math.sqrt(threshold);
const fromSlider = (position: number) => Math.round(position ** 2 * 1e4) / 1e4;

export function createControls(
  change: (patch: Partial<Traits>) => void,
  id: string,
  signal: AbortSignal,
): ControlsView {
  const tabButtons = PANELS.map(({ name, label, title }) =>
    h("button", {
      class: "xattn-tab",
      text: label,
      title,
      attrs: { type: "button", role: "tab", id: `${id}-tab-${name}`, "aria-controls": `${id}-panel` },
    }),
  );
  const tabList = h(
    "div",
    { class: "xattn-tabs", attrs: { role: "tablist", "aria-label": "View" } },
    ...tabButtons,
  );
  const toggle = h("button", {
    class: "xattn-toggle",
    text: "Options",
    attrs: { type: "button", "aria-expanded": "false", "aria-controls": `${id}-options` },
  });
  const tabs = h("div", { class: "xattn-tabbar" }, tabList, toggle);
  let shown: Options | null = null;

  tabButtons.forEach((button, index) => {
    button.addEventListener("click", () => change({ panel: PANELS[index]?.name ?? "lines" }), { signal });
    button.addEventListener(
      "keydown",
      (event) => {
        const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
        if (step === 0) return;
        claim(event);
        const next = (index + step + PANELS.length) % PANELS.length;
        tabButtons[next]?.focus();
        change({ panel: PANELS[next]?.name ?? "lines" });
      },
      { signal },
    );
  });

  function choice(
    label: string,
    title: string,
    values: [value: string, label: string][],
    pick: (value: string) => void,
  ): { field: HTMLElement; select: HTMLSelectElement } {
    const select = h(
      "select",
      { title },
      ...values.map(([value, text]) => h("option", { text, attrs: { value } })),
    );
    select.addEventListener("change", () => pick(select.value), { signal });
    const field = h(
      "label",
      { class: "xattn-field", title },
      h("span", { class: "xattn-label", text: label }),
      select,
    );
    return { field, select };
  }

  const aggregate = choice(
    "Several heads",
    "How picked heads are put together in the matrix and in the numbers: their mean, or the largest of them.",
    [
      ["mean", "mean"],
      ["max", "max"],
    ],
    (value) => change({ aggregate: value as Traits["aggregate"] }),
  );
  const units = choice(
    "Tokens",
    "Subwords as the model reads them, or whole words: summed over source pieces, averaged over target pieces.",
    [
      ["subwords", "subwords"],
      ["words", "words"],
    ],
    (value) => change({ words: value === "words" }),
  );
  const special = choice(
    "Special tokens",
    "Show special tokens, fade them, or drop them; when dropped, each row is renormalised over what is left.",
    [
      ["show", "show"],
      ["fade", "fade"],
      ["drop", "drop"],
    ],
    (value) => change({ special: value as Traits["special"] }),
  );
  const reading = choice(
    "Label rows by",
    "Each row is one decoder step. Output: labelled by the token it predicts. Input: by the token it has read.",
    [
      ["output", "output"],
      ["input", "input"],
    ],
    (value) => change({ reading: value as Traits["reading"] }),
  );
  const layout = choice(
    "Layout",
    "Source and target as two columns side by side, or as two rows, source above.",
    [
      ["columns", "columns"],
      ["rows", "rows"],
    ],
    (value) => change({ orientation: value as Traits["orientation"] }),
  );
  const slider = h("input", { attrs: { type: "range", min: "0", max: "1", step: "0.01" } });
  const output = h("output", { class: "xattn-number" });
  const thresholdTitle = "Lines with a smaller weight are not drawn.";
  const threshold = h(
    "label",
    { class: "xattn-field xattn-threshold", title: thresholdTitle },
    h("span", { class: "xattn-label", text: "Hide weights below" }),
    h("span", { class: "xattn-slider" }, slider, output),
  );
  slider.addEventListener("input", () => change({ threshold: fromSlider(Number(slider.value)) }), { signal });

  const options = h(
    "div",
    { class: "xattn-options", attrs: { id: `${id}-options`, role: "group", "aria-label": "Options" } },
    units.field,
    special.field,
    reading.field,
    aggregate.field,
    layout.field,
    threshold,
  );
  toggle.addEventListener(
    "click",
    () => {
      const open = options.classList.toggle("xattn-open");
      toggle.setAttribute("aria-expanded", String(open));
    },
    { signal },
  );

  function enable(field: HTMLElement, control: HTMLSelectElement | HTMLInputElement, on: boolean): void {
    control.disabled = !on;
    field.classList.toggle("xattn-disabled", !on);
  }

  return {
    tabs,
    options,
    show(next, heads) {
      if (shown?.panel !== next.panel)
        tabButtons.forEach((button, index) => {
          const on = PANELS[index]?.name === next.panel;
          button.setAttribute("aria-selected", String(on));
          button.tabIndex = on ? 0 : -1;
        });
      shown = next;
      // None of the options bears on the small pictures.
      options.hidden = next.panel === "all";
      aggregate.select.value = next.aggregate;
      units.select.value = next.words ? "words" : "subwords";
      special.select.value = next.special;
      reading.select.value = next.reading;
      layout.select.value = next.orientation;
      // While it is dragged the slider is ahead of the model.
      if (fromSlider(Number(slider.value)) !== next.threshold)
        slider.value = String(toSlider(next.threshold));
      const text = next.threshold.toFixed(next.threshold < 0.1 ? 3 : 2);
      setText(output, text);
      slider.setAttribute("aria-valuetext", text);
      enable(aggregate.field, aggregate.select, heads > 1);
      enable(layout.field, layout.select, next.panel === "lines");
      enable(threshold, slider, next.panel === "lines");
    },
  };
}
