// A picture with the weights of one side, or with the difference: its patches can be pointed at and walked along.
import { h, prepareCanvas } from "../core/dom";
import { claim } from "../core/keyboard";
import { PALETTE } from "../core/palette";
import type { Size } from "../core/picture/file";
import { neighborOf, patchAt } from "../core/picture/patches";
import { boxIn, paintWhole, type Whole } from "../core/picture/whole";
import { canvasSurface } from "../core/surface";

export interface PicturePane {
  element: HTMLElement;
  show(whole: Whole): void;
  /** Marks a patch; -1 for none. */
  point(patch: number): void;
}

const TALLEST = 420;
const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** `pointed` is told the patch that is pointed at, -1 for none. */
export function createPicturePane(
  label: string,
  pointed: (patch: number) => void,
  signal: AbortSignal,
): PicturePane {
  const hidden = { "aria-hidden": "true" };
  const [base, over] = [h("canvas", { attrs: hidden }), h("canvas", { attrs: hidden })];
  const element = h(
    "div",
    {
      class: "xattn-picture-pane",
      attrs: {
        role: "application",
        tabindex: "0",
        "aria-label": `${label}; arrow keys walk along the patches`,
      },
    },
    base,
    over,
  );
  let shown: { whole: Whole; size: Size } | null = null;
  let marked = -1;

  function point(patch: number): void {
    marked = patch;
    if (!shown) return;
    const { whole, size } = shown;
    const context = prepareCanvas(over, size.width, size.height);
    const rect = whole.patches.rects[patch];
    if (!context || !rect) return;
    const surface = canvasSurface(context);
    const box = boxIn(size, whole.patches.size, rect);
    surface.frame(box, { color: PALETTE.ink.light, width: 4, opacity: 0.9 });
    surface.frame(box, { color: PALETTE.theme.light.accent, width: 2 });
  }

  element.addEventListener(
    "pointermove",
    (event) => {
      if (!shown) return;
      const { left, top } = element.getBoundingClientRect();
      const { width, height } = shown.whole.patches.size;
      const [x, y] = [(event.clientX - left) / shown.size.width, (event.clientY - top) / shown.size.height];
      pointed(patchAt(shown.whole.patches, x * width, y * height));
    },
    { signal },
  );
  element.addEventListener("pointerleave", () => pointed(-1), { signal });
  element.addEventListener("blur", () => pointed(-1), { signal });
  element.addEventListener(
    "keydown",
    (event) => {
      if (!shown || event.ctrlKey || event.metaKey || event.altKey) return;
      const by = Object.hasOwn(ARROWS, event.key) ? ARROWS[event.key] : undefined;
      if (!by && event.key !== "Escape") return;
      claim(event);
      const { patches, values } = shown.whole;
      // The walk begins at the strongest patch.
      const strongest = values
        .map(Math.abs)
        .reduce((best, value, i, all) => (value > (all[best] ?? 0) ? i : best), 0);
      pointed(!by ? -1 : marked < 0 ? strongest : neighborOf(patches, marked, by));
    },
    { signal },
  );

  return {
    element,
    point,
    show(whole) {
      const { width, height } = whole.patches.size;
      const scale = Math.min(((element.parentElement?.clientWidth || 300) - 2) / width, TALLEST / height);
      const size = { width: Math.max(1, width * scale), height: Math.max(1, height * scale) };
      shown = { whole, size };
      element.style.width = `${size.width}px`;
      element.style.height = `${size.height}px`;
      const context = prepareCanvas(base, size.width, size.height);
      if (context) paintWhole(canvasSurface(context), size, whole);
      point(marked);
    },
  };
}
