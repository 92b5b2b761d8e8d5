// Heads of which something is known, such as that they time the words of speech: marks in the grid, and their meaning.
import type { Head, HeadSetInfo, SoundInfo } from "../core/contract";
import { h } from "../core/dom";
import { headsOf } from "../core/own_rows";

export const MARKS = ["model", "calibrated", "best"] as const;

export interface Marked {
  kind: (typeof MARKS)[number];
  /** What one of them is. */
  name: string;
  heads: readonly Head[];
}

export function markedHeads(sound: SoundInfo | undefined, set: HeadSetInfo | null = null): Marked[] {
  const marks: Marked[] = [
    { kind: "model", name: "alignment head of the model", heads: sound?.marked.model ?? [] },
    { kind: "calibrated", name: "calibrated to time words", heads: sound?.marked.calibrated ?? [] },
  ];
  if (set) marks.push({ kind: "best", name: "in the set that aligns best", heads: headsOf(set) });
  return marks.filter(({ heads }) => heads.length > 0);
}

const LEGEND = {
  model: "alignment heads of the model",
  calibrated: "calibrated to time words",
  best: "in the best set",
};

export interface MarkLegend {
  element: HTMLElement;
  show(marked: readonly Marked[]): void;
}

export function createMarkLegend(): MarkLegend {
  const element = h("div", { class: "xattn-marks xattn-small xattn-muted" });
  let shown = "";
  return {
    element,
    show(marked) {
      const kinds = marked.map(({ kind }) => kind).join();
      if (kinds === shown && element.hidden === (kinds === "")) return;
      shown = kinds;
      element.hidden = kinds === "";
      element.replaceChildren(
        ...marked.map(({ kind }) =>
          h(
            "span",
            {},
            h("i", { class: `xattn-mark xattn-mark-${kind}`, attrs: { "aria-hidden": "true" } }),
            LEGEND[kind],
          ),
        ),
      );
    },
  };
}
