// The options of the open view: native form elements with labels.
import type { Context } from "../core/context";
import type { Keep, Traits } from "../core/contract";
import { h, setText } from "../core/dom";
import { isLong } from "../core/scene";
import type { Opened } from "../core/view";

export interface Options {
  element: HTMLElement;
  /** Shows them even if they do not fit beside the tabs. */
  open(on: boolean): void;
}

/** How the slider shows the number for each way to keep lines. */
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

const SLIDES: Record<Exclude<Keep, "auto">, Slide> = {
  threshold: {
    label: "Hide weights below",
    trait: "threshold",
    min: 0,
    max: () => 1,
    step: 0.01,
    // On a square-root scale, like the weights: most useful thresholds are small.
    toSlider: Math.sqrt,
    fromSlider: (position) => Math.round(position ** 2 * 1e4) / 1e4,
    text: (value) => value.toFixed(value < 0.1 ? 3 : 2),
  },
  top: {
    label: "Lines per row",
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

export function createOptions({ store, loader, frames, id, signal }: Context, opened: Opened): Options {
  const change = store.set;

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
  const plain = (...values: string[]) => values.map((value): [string, string] => [value, value]);

  const aggregate = choice(
    "Several heads",
    "How the matrix and the numbers combine the picked heads: by their mean or their maximum.",
    plain("mean", "max"),
    (value) => change({ aggregate: value as Traits["aggregate"] }),
  );
  const units = choice(
    "Tokens",
    "Subwords as the model reads them, or whole words: summed over source pieces, averaged over target pieces.",
    plain("subwords", "words"),
    (value) => change({ words: value === "words" }),
  );
  const special = choice(
    "Special tokens",
    "Show special tokens, fade them, or drop them; when dropped, each row is renormalized over the rest.",
    plain("show", "fade", "drop"),
    (value) => change({ special: value as Traits["special"] }),
  );
  const reading = choice(
    "Label rows by",
    "Each row is one decoder step. Output: labeled by the token it predicts. Input: labeled by the token it reads.",
    plain("output", "input"),
    (value) => change({ reading: value as Traits["reading"] }),
  );
  const layout = choice(
    "Layout",
    "Source and target as two columns side by side, or as two rows, source above.",
    plain("columns", "rows"),
    (value) => change({ orientation: value as Traits["orientation"] }),
  );
  const keep = choice(
    "Lines kept",
    "Automatic: by weight, and in a long sentence only the strongest line of each row. By weight: lines above a threshold. Top k: the strongest of each row. By mass: the strongest of each row that together reach a share p of its mass.",
    [
      ["auto", "automatic"],
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

  /** Enables the options that change the open view. */
  function showUse(): void {
    const { options, outlined } = opened.value.view;
    element.hidden = options.length === 0;
    const uses = { words: units, special, reading, orientation: layout, keep };
    for (const [name, { field, select }] of Object.entries(uses))
      enable(field, select, options.includes(name as keyof typeof uses));
    enable(amount, slider, options.includes("keep"));
    // One line for each row needs no number.
    amount.hidden = store.get("keep") === "auto" && loader.scene.value !== null && isLong(loader.scene.value);
    // One head is its own mean; a view of two picks combines the heads of either.
    const several = store.get("heads").length > 1 || outlined !== undefined;
    enable(aggregate.field, aggregate.select, options.includes("aggregate") && several);
  }

  function showSlider(): void {
    const keep = store.get("keep");
    slide = SLIDES[keep === "auto" ? "threshold" : keep];
    const value = store.get(slide.trait);
    slider.min = String(slide.min);
    slider.max = String(slide.max(loader.scene.value?.source.labels.length ?? 1));
    slider.step = String(slide.step);
    // While it is dragged the slider is ahead of the model.
    if (slide.fromSlider(Number(slider.value)) !== value) slider.value = String(slide.toSlider(value));
    setText(sliderLabel, slide.label);
    setText(output, slide.text(value));
    slider.setAttribute("aria-valuetext", slide.text(value));
  }

  frames.draw(() => {
    aggregate.select.value = store.get("aggregate");
    units.select.value = store.get("words") ? "words" : "subwords";
    special.select.value = store.get("special");
    reading.select.value = store.get("reading");
    layout.select.value = store.get("orientation");
    keep.select.value = store.get("keep");
    showSlider();
    showUse();
  });
  return { element, open: (on) => element.classList.toggle("xattn-open", on) };
}
