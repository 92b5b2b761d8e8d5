// The elements of the view of a picture: the bar, the picture beside the words, what is said, and the legend.
import { h, setText } from "../core/dom";
import { createLegend } from "../core/heat/legend";
import { overlayGradient } from "../core/picture/heat";
import { type Bar, type BarEvents, createBar } from "./bar";
import { createImagePane, type ImagePane } from "./pane";
import { createWordStrip, type WordStrip, type WordsEvents } from "./words";

export interface ImageView {
  element: HTMLElement;
  bar: Bar;
  words: WordStrip;
  pane: ImagePane;
  /** Whether the words stand below the picture at any width, as for a picture of one line. */
  stack(isStacked: boolean): void;
  say(text: string): void;
  /** The largest weight, of a word or of the mean, the colors, and what belongs to the picture as a whole. */
  foot(top: number, colors: { onDark: boolean; opacity: number }, notes: string): void;
}

export function createImageView(bar: BarEvents, words: WordsEvents, signal: AbortSignal): ImageView {
  const parts = {
    bar: createBar(bar, signal),
    words: createWordStrip(words, signal),
    pane: createImagePane(),
  };
  const said = h("div", { class: "xattn-readout xattn-image-said" });
  const legend = createLegend("Weight", "Square-root scale, so that small weights can be told from none");
  const notes = h("div", { class: "xattn-small xattn-muted" });
  const main = h("div", { class: "xattn-image-main" }, parts.pane.element, parts.words.element);
  const element = h(
    "div",
    { class: "xattn-image" },
    parts.bar.element,
    main,
    said,
    h("div", { class: "xattn-foot" }, legend.element),
    notes,
  );
  return {
    element,
    ...parts,
    stack: (isStacked) => main.classList.toggle("xattn-stacked", isStacked),
    say: (text) => setText(said, text),
    foot(top, { onDark, opacity }, text) {
      const digits = top < 0.1 ? 3 : 2;
      const ticks = ["0", (top / 4).toFixed(digits), top.toFixed(digits)] as const;
      legend.show(overlayGradient(onDark, opacity), ticks, "of the word shown, or the mean");
      setText(notes, text);
      notes.hidden = text === "";
    },
  };
}
