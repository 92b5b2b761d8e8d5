// The options of the open view: native form elements with labels.
import type { Context } from "../core/context";
import type { Keep, Traits } from "../core/contract";
import { h, setText } from "../core/dom";
import { rowName } from "../core/format";
import { setOf } from "../core/own_rows";
import { MAX_HEAD_COLORS } from "../core/scales";
import { isAggregated, isLong } from "../core/scene";
import type { Opened } from "../core/view";

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
    label: "Share of each row",
    trait: "mass",
    min: 0.05,
    max: () => 1,
    step: 0.05,
    toSlider: (value) => value,
    fromSlider: (position) => Math.round(position * 100) / 100,
    text: (value) => `${Math.round(value * 100)}%`,
  },
};

export function createOptions({ store, loader, frames, signal }: Context, opened: Opened): HTMLElement {
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

  /** Whether the open view can draw several heads in a color each. */
  const drawsApart = () => {
    const { options, combines } = opened.value.view;
    return options.includes("keep") && !combines;
  };

  const aggregate = choice(
    "Combine heads by",
    "Several picked heads become one: their mean or their maximum. In Lines they can have a color each instead.",
    [["none", "none (a color each)"], ...plain("mean", "max")],
    (value) =>
      change(
        value === "none"
          ? { combined: false }
          : { aggregate: value as Traits["aggregate"], ...(drawsApart() ? { combined: true } : {}) },
      ),
  );
  const [apart] = aggregate.select.options;
  const units = choice(
    "Tokens",
    "Whole words, or the subwords that the model reads. The weights of a word are summed over its subwords in the source and averaged over those in the target.",
    [
      ["words", "words"],
      ["subwords", "subwords"],
    ],
    (value) => change({ words: value === "words" }),
  );
  const special = choice(
    "Special tokens",
    "Show tokens such as </s>, fade them or drop them, alone or together with punctuation. Where tokens are dropped, each row is renormalized over the others.",
    [...plain("show", "fade", "drop"), ["drop_punctuation", "drop with punctuation"]],
    (value) => change({ special: value as Traits["special"] }),
  );
  special.select.classList.add("xattn-wide-choice");
  const reading = choice(
    "Name rows by",
    "A row is one step of the decoder. It can be named by the token that the step writes or by the token that it reads, which is the one before. Each head’s own: the rows are named by the token written, and heads of the saved set that align the token read are moved up by one row.",
    [
      ["output", rowName("output")],
      ["input", rowName("input")],
      ["own", "each head’s own"],
    ],
    (value) => change({ reading: value as Traits["reading"] }),
  );
  const [, , own] = reading.select.options;
  const layout = choice(
    "Layout",
    "Source and target in two columns side by side, or in two rows, the source above.",
    plain("columns", "rows"),
    (value) => change({ orientation: value as Traits["orientation"] }),
  );
  const keep = choice(
    "Show lines",
    "Automatic: by weight, and in a long sentence only the strongest line of each row; of a picture, all patches. By weight: all from a weight on. Strongest: so many of each row. By share: the strongest of each row that together carry a share of its weight.",
    [
      ["auto", "automatic"],
      ["threshold", "by weight"],
      ["top", "strongest"],
      ["mass", "by share"],
    ],
    (value) => change({ keep: value as Keep }),
  );
  const keepLabel = keep.field.querySelector(".xattn-label") ?? keep.field;
  const slider = h("input", { attrs: { type: "range" } });
  const output = h("output", { class: "xattn-number" });
  const sliderLabel = h("span", { class: "xattn-label" });
  const amount = h(
    "label",
    { class: "xattn-field xattn-threshold", title: "The other lines are not drawn." },
    sliderLabel,
    h("span", { class: "xattn-slider" }, slider, output),
  );
  let slide = SLIDES.threshold;
  slider.addEventListener("input", () => change({ [slide.trait]: slide.fromSlider(Number(slider.value)) }), {
    signal,
  });

  const element = h(
    "div",
    { class: "xattn-options", attrs: { role: "group", "aria-label": "Options" } },
    units.field,
    special.field,
    reading.field,
    aggregate.field,
    layout.field,
    keep.field,
    amount,
  );

  /** Shows the options that change the open view, and no others. */
  function showUse(): void {
    const { options, outlined } = opened.value.view;
    element.hidden = options.length === 0;
    const fields = { words: units, special, reading, orientation: layout, keep };
    for (const [name, { field }] of Object.entries(fields))
      field.hidden = !options.includes(name as keyof typeof fields);
    // One line for each row needs no number.
    const { keeps } = opened.value.view;
    setText(keepLabel, keeps === "patches" ? "Show patches" : "Show lines");
    const isLines = keeps !== "patches";
    const scene = loader.scene.value;
    const single = store.get("keep") === "auto" && (!isLines || (scene !== null && isLong(scene)));
    amount.hidden = single || !options.includes("keep");
    // One head is its own mean; a view of two picks combines the heads of either.
    const several = store.get("heads").length > 1 || outlined !== undefined;
    aggregate.field.hidden = !(options.includes("aggregate") && several);
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
    const isPatches = opened.value.view.keeps === "patches" && keep === "top";
    setText(sliderLabel, isPatches ? "Patches per word" : slide.label);
    setText(output, slide.text(value));
    slider.setAttribute("aria-valuetext", slide.text(value));
  }

  frames.draw(() => {
    const heads = store.get("heads");
    const isOne = !drawsApart() || isAggregated({ heads, combined: store.get("combined") });
    // More heads than colors are never drawn apart.
    if (apart) apart.hidden = !drawsApart() || heads.length > MAX_HEAD_COLORS;
    aggregate.select.value = isOne ? store.get("aggregate") : "none";
    units.select.value = store.get("words") ? "words" : "subwords";
    special.select.value = store.get("special");
    // Without a set of heads with several readings, it would be the same as the token written.
    const known = setOf(store.get("info"), store.get("sentence"))?.reading === "own";
    if (own) own.hidden = !known && store.get("reading") !== "own";
    reading.select.value = store.get("reading");
    layout.select.value = store.get("orientation");
    keep.select.value = store.get("keep");
    showSlider();
    showUse();
  });
  return element;
}
