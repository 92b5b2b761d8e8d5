// The options of the shown view: native form elements with labels.

import type { Keep, Traits } from "../core/contract";
import { h, setText } from "../core/dom";

export type Options = Pick<
  Traits,
  | "panel"
  | "aggregate"
  | "words"
  | "special"
  | "reading"
  | "orientation"
  | "keep"
  | "threshold"
  | "top_k"
  | "mass"
>;

export interface OptionsView {
  element: HTMLElement;
  open(on: boolean): void;
  show(options: Options, heads: number, longest: number): void;
}

/** How the slider stands for the number of each way to keep lines. */
interface Slide {
  label: string;
  trait: "threshold" | "top_k" | "mass";
  min: number;
  max(longest: number): number;
  step: number;
  toSlider(value: number): number;
  fromSlider(position: number): number;
  text(value: number): string;
}

const SLIDES: Record<Keep, Slide> = {
  threshold: {
    label: "Hide weights below",
    trait: "threshold",
    min: 0,
    max: () => 1,
    step: 0.01,
    // Square-root scaled, like the weights: most of the useful thresholds are small.
    toSlider: Math.sqrt,
    fromSlider: (position) => Math.round(position ** 2 * 1e4) / 1e4,
    text: (value) => value.toFixed(value < 0.1 ? 3 : 2),
  },
  top: {
    label: "Lines a row",
    trait: "top_k",
    min: 1,
    max: (longest) => Math.max(1, Math.min(20, longest)),
    step: 1,
    toSlider: (value) => value,
    fromSlider: (position) => position,
    text: (value) => `${value}`,
  },
  mass: {
    label: "Until p of the mass",
    trait: "mass",
    min: 0.05,
    max: () => 1,
    step: 0.05,
    toSlider: (value) => value,
    fromSlider: (position) => Math.round(position * 100) / 100,
    text: (value) => `${Math.round(value * 100)} %`,
  },
};

export function createOptions(
  change: (patch: Partial<Traits>) => void,
  id: string,
  signal: AbortSignal,
): OptionsView {
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
  const same = (...values: string[]) => values.map((value): [string, string] => [value, value]);

  const aggregate = choice(
    "Several heads",
    "How picked heads are put together in the matrix and in the numbers: their mean, or the largest of them.",
    same("mean", "max"),
    (value) => change({ aggregate: value as Traits["aggregate"] }),
  );
  const units = choice(
    "Tokens",
    "Subwords as the model reads them, or whole words: summed over source pieces, averaged over target pieces.",
    same("subwords", "words"),
    (value) => change({ words: value === "words" }),
  );
  const special = choice(
    "Special tokens",
    "Show special tokens, fade them, or drop them; when dropped, each row is renormalized over what is left.",
    same("show", "fade", "drop"),
    (value) => change({ special: value as Traits["special"] }),
  );
  const reading = choice(
    "Label rows by",
    "Each row is one decoder step. Output: labeled by the token it predicts. Input: by the token it has read.",
    same("output", "input"),
    (value) => change({ reading: value as Traits["reading"] }),
  );
  const layout = choice(
    "Layout",
    "Source and target as two columns side by side, or as two rows, source above.",
    same("columns", "rows"),
    (value) => change({ orientation: value as Traits["orientation"] }),
  );
  const keep = choice(
    "Lines kept",
    "By weight: lines above a threshold. Top k: the strongest of each row. By mass: of each row as many of the strongest as reach a share p of its mass.",
    [
      ["threshold", "by weight"],
      ["top", "top k"],
      ["mass", "by mass"],
    ],
    (value) => change({ keep: value as Keep }),
  );
  const slider = h("input", { attrs: { type: "range" } });
  const output = h("output", { class: "xattn-number" });
  const sliderLabel = h("span", { class: "xattn-label" });
  const amount = h(
    "label",
    { class: "xattn-field xattn-threshold", title: "Lines with less are not drawn." },
    sliderLabel,
    h("span", { class: "xattn-slider" }, slider, output),
  );
  let slide = SLIDES.threshold;
  slider.addEventListener("input", () => change({ [slide.trait]: slide.fromSlider(Number(slider.value)) }), {
    signal,
  });

  const element = h(
    "div",
    { class: "xattn-options", attrs: { id: `${id}-options`, role: "group", "aria-label": "Options" } },
    units.field,
    special.field,
    reading.field,
    aggregate.field,
    layout.field,
    keep.field,
    amount,
  );

  function enable(field: HTMLElement, control: HTMLSelectElement | HTMLInputElement, on: boolean): void {
    control.disabled = !on;
    field.classList.toggle("xattn-disabled", !on);
  }

  return {
    element,
    open: (on) => element.classList.toggle("xattn-open", on),
    show(next, heads, longest) {
      // None of the options bears on the small pictures or on the scores.
      element.hidden = next.panel === "all" || next.panel === "scores";
      aggregate.select.value = next.aggregate;
      units.select.value = next.words ? "words" : "subwords";
      special.select.value = next.special;
      reading.select.value = next.reading;
      layout.select.value = next.orientation;
      keep.select.value = next.keep;
      slide = SLIDES[next.keep];
      const value = next[slide.trait];
      slider.min = String(slide.min);
      slider.max = String(slide.max(longest));
      slider.step = String(slide.step);
      // While it is dragged the slider is ahead of the model.
      if (slide.fromSlider(Number(slider.value)) !== value) slider.value = String(slide.toSlider(value));
      setText(sliderLabel, slide.label);
      setText(output, slide.text(value));
      slider.setAttribute("aria-valuetext", slide.text(value));
      enable(aggregate.field, aggregate.select, heads > 1 || next.panel === "compare");
      const lines = next.panel === "lines";
      for (const field of [layout, keep]) enable(field.field, field.select, lines);
      enable(amount, slider, lines);
    },
  };
}
