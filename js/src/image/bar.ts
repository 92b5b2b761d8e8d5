// The bar above the picture: how patches are drawn over it, and which part of it is shown.
import type { ImageOutline } from "../core/contract";
import { h } from "../core/dom";

export interface BarEvents {
  opacity(value: number): void;
  outline(value: ImageOutline): void;
  picture(on: boolean): void;
  grid(on: boolean): void;
  reference(on: boolean): void;
  sinks(on: boolean): void;
  zoom(factor: number): void;
  whole(): void;
}

export interface BarProps {
  opacity: number;
  outline: ImageOutline;
  /** Whether the picture itself is drawn. */
  picture: boolean;
  grid: boolean;
  /** Whether the boxes of the reference are drawn; null where there are none. */
  reference: boolean | null;
  /** Whether weights are divided by the sinks, and why that cannot be changed; "" where it can. */
  sinks: { on: boolean; why: string };
  /** How many times larger than the whole. */
  factor: number;
}

export interface Bar {
  element: HTMLElement;
  show(props: BarProps): void;
}

const OUTLINES: [ImageOutline, string][] = [
  ["half", "half of the weight"],
  ["boxes", "boxes around it"],
  ["strongest", "the strongest patch"],
  ["none", "nothing"],
];

const DIVIDE =
  "Divide each weight by the mean of its position over many pictures, so that what is bright in every picture no longer stands out";

export function createBar(events: BarEvents, signal: AbortSignal): Bar {
  const slider = h("input", { attrs: { type: "range", min: "0", max: "1", step: "0.05" } });
  slider.addEventListener("input", () => events.opacity(Number(slider.value)), { signal });
  const outline = h(
    "select",
    { attrs: { "aria-label": "Outline" } },
    ...OUTLINES.map(([value, text]) => h("option", { text, attrs: { value } })),
  );
  outline.addEventListener("change", () => events.outline(outline.value as ImageOutline), { signal });
  const picture = h("input", { attrs: { type: "checkbox" } });
  picture.addEventListener("change", () => events.picture(picture.checked), { signal });
  const grid = h("input", { attrs: { type: "checkbox" } });
  grid.addEventListener("change", () => events.grid(grid.checked), { signal });
  const reference = h("input", { attrs: { type: "checkbox" } });
  reference.addEventListener("change", () => events.reference(reference.checked), { signal });
  const sinks = h("input", { attrs: { type: "checkbox" } });
  sinks.addEventListener("change", () => events.sinks(sinks.checked), { signal });
  const icon = (text: string, title: string, act: () => void) => {
    const button = h("button", {
      class: "xattn-button xattn-icon",
      text,
      title,
      attrs: { type: "button", "aria-label": title },
    });
    button.addEventListener("click", act, { signal });
    return button;
  };
  const smaller = icon("−", "Zoom out (−)", () => events.zoom(1 / 2));
  const larger = icon("+", "Zoom in (+)", () => events.zoom(2));
  const whole = h("button", {
    class: "xattn-button",
    text: "Whole",
    title: "Show the whole picture (0)",
    attrs: { type: "button" },
  });
  whole.addEventListener("click", events.whole, { signal });
  const field = (name: string, title: string, ...inside: HTMLElement[]) =>
    h(
      "label",
      { class: "xattn-image-field", title },
      h("span", { class: "xattn-label", text: name }),
      ...inside,
    );
  const sinksField = field("Divide by sinks", DIVIDE, sinks);
  const referenceField = field(
    "Reference",
    "Draw the true boxes of the words, dashed, and say how well the box of a word agrees with its own",
    reference,
  );

  return {
    element: h(
      "div",
      { class: "xattn-image-bar", attrs: { role: "group", "aria-label": "How the picture is drawn" } },
      field("Opacity", "How much the colors cover the picture where the weight is largest", slider),
      field(
        "Outline",
        "What is outlined: the fewest patches that together hold half of the weight in the picture, unless they are scattered all over it; the boxes around them, with the word; the strongest patch; or nothing",
        outline,
      ),
      field("Picture", "Draw the picture itself, or its patches on plain paper", picture),
      field("Grid", "Draw the borders of all patches", grid),
      referenceField,
      sinksField,
      h("div", { class: "xattn-zooms" }, smaller, larger, whole),
    ),
    show(props) {
      if (Number(slider.value) !== props.opacity) slider.value = String(props.opacity);
      slider.setAttribute("aria-valuetext", `${Math.round(100 * props.opacity)}%`);
      outline.value = props.outline;
      picture.checked = props.picture;
      grid.checked = props.grid;
      reference.checked = props.reference ?? false;
      referenceField.hidden = props.reference === null;
      sinks.checked = props.sinks.on;
      sinks.disabled = props.sinks.why !== "";
      sinksField.title = sinks.disabled ? `${DIVIDE}. Not here: ${props.sinks.why}` : DIVIDE;
      sinksField.classList.toggle("xattn-muted", sinks.disabled);
      smaller.disabled = props.factor <= 1;
      whole.disabled = props.factor <= 1;
    },
  };
}
