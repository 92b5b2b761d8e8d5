// A strip of cells, one for each picked head in its color and as strong as its weight.
import { h } from "./dom";

export interface StripCell {
  weight: number;
  color: string;
  /** The head, in words. */
  name: string;
}

export interface Strip {
  element: HTMLElement;
  show(cells: readonly StripCell[]): void;
}

export function createStrip(attrs: Record<string, string>): Strip {
  const element = h("span", { class: "xattn-strip", attrs });
  const cells: HTMLElement[] = [];
  return {
    element,
    show(next) {
      while (cells.length < next.length) cells.push(h("i", { class: "xattn-cell" }));
      element.replaceChildren(...cells.slice(0, next.length));
      next.forEach(({ weight, color }, i) => {
        cells[i]?.style.setProperty("--xattn-cell", color);
        cells[i]?.style.setProperty("--xattn-strength", Math.max(0, Math.min(1, weight)).toFixed(3));
      });
      const text = next.map(({ name, weight }) => `${name}: ${weight.toFixed(2)}`).join("; ");
      element.title = text;
      if (element.getAttribute("role") === "img") element.setAttribute("aria-label", text);
    },
  };
}

/** The cells of a partner: what each picked head gives it. */
export function stripCells(
  weights: readonly number[],
  names: readonly string[],
  colors: readonly string[],
): StripCell[] {
  return weights.map((weight, i) => ({ weight, color: colors[i] ?? "", name: names[i] ?? "" }));
}
