// The legend of a heat map: its colors, the values at their ends and in the middle, and what the axes are.
import { h, setText } from "../dom";

export interface LegendView {
  element: HTMLElement;
  show(gradient: string, ticks: readonly [string, string, string], axes: string): void;
}

export function createLegend(name: string, title: string): LegendView {
  const ramp = h("span", { class: "xattn-ramp" });
  const ticks = ["", "", ""].map(() => h("span", { class: "xattn-number" }));
  const axes = h("span", { class: "xattn-small xattn-muted" });
  const element = h(
    "div",
    { class: "xattn-matrix-legend", title },
    h("span", { class: "xattn-label", text: name }),
    h("span", { class: "xattn-ramp-box" }, ramp, h("span", { class: "xattn-ramp-ticks" }, ...ticks)),
    axes,
  );
  return {
    element,
    show(gradient, texts, names) {
      ramp.style.backgroundImage = gradient;
      ticks.forEach((tick, i) => {
        setText(tick, texts[i] ?? "");
      });
      setText(axes, names);
    },
  };
}
