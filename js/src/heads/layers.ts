// The mean score of each layer as a small bar, beside the rows of the grid of heads.
import { h, setText } from "../core/dom";
import { formatScore } from "../core/format";
import type { Domain } from "../core/scales";

export interface LayersView {
  element: HTMLElement;
  show(means: readonly (number | null)[] | null, layers: number, domain: Domain | null): void;
}

export function createLayers(): LayersView {
  const element = h("div", {
    class: "xattn-layers",
    attrs: { role: "list", "aria-label": "Mean score of each layer" },
  });
  let rows: { row: HTMLElement; bar: HTMLElement; value: HTMLElement }[] = [];

  function build(layers: number): void {
    rows = Array.from({ length: layers }, () => {
      const bar = h("span", { class: "xattn-bar-fill" });
      const value = h("span", { class: "xattn-number" });
      const row = h(
        "div",
        { class: "xattn-layer", attrs: { role: "listitem" } },
        h("span", { class: "xattn-bar" }, bar),
        value,
      );
      return { row, bar, value };
    });
    const title = h("span", { class: "xattn-axis xattn-axis-left", text: "layer mean" });
    element.replaceChildren(title, ...rows.map((entry) => entry.row));
  }

  return {
    element,
    show(means, layers, domain) {
      if (rows.length !== layers) build(layers);
      rows.forEach(({ row, bar, value }, layer) => {
        const mean = means?.[layer] ?? null;
        setText(value, means === null ? "" : mean === null ? "–" : formatScore(mean));
        bar.style.width = mean === null || !domain ? "0" : `${Math.max(2, share(mean, domain) * 100)}%`;
        row.title = `layer ${layer}, mean ${formatScore(mean)}`;
      });
    },
  };
}

/** Bars start at zero where the score does; only scores that go below zero start at their minimum. */
function share(mean: number, domain: Domain): number {
  const start = Math.min(0, domain.low);
  return domain.high > start ? (mean - start) / (domain.high - start) : 0;
}
