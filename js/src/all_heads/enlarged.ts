// A thumbnail enlarged over its neighbors: the head as a heat map with its tokens.
import { h, prepareCanvas, setText } from "../core/dom";
import { tokenText } from "../core/format";
import { sceneCells } from "../core/heat/cells";
import { heatLayout, narrowestColumn } from "../core/heat/layout";
import { paintHeat } from "../core/heat/paint";
import { PALETTE } from "../core/palette";
import type { Scene } from "../core/scene";
import { canvasSurface, type Surface } from "../core/surface";
import type { Theme } from "../core/theme";
import { type Pictured, paintPictured } from "./pictured";

export interface EnlargedProps {
  scene: Scene;
  title: string;
  fade: boolean;
  theme: Theme;
  /** What the head is drawn over; null for a matrix. */
  pictured: Pictured | null;
}

export interface Enlarged {
  element: HTMLElement;
  /** Shows a head beside its thumbnail, inside `around`; null hides it. */
  show(props: EnlargedProps | null, thumbnail: HTMLElement | undefined, around: HTMLElement): void;
}

const SPACE = { width: 330, height: 300 };
const LONGEST_LABEL = 90;
const GAP = 6;

export function createEnlarged(): Enlarged {
  const title = h("div", { class: "xattn-small" });
  const canvas = h("canvas");
  // The thumbnail has a name and a value; the picture adds nothing that could be read out.
  const element = h("div", { class: "xattn-enlarged", attrs: { "aria-hidden": "true" } }, title, canvas);
  element.hidden = true;

  function paint(props: EnlargedProps): void {
    if (props.pictured) paintPictured(canvas, props.scene, props.pictured, props.theme, SPACE);
    else paintMatrix(props);
  }

  function paintMatrix({ scene, fade, theme }: EnlargedProps): void {
    const context = canvas.getContext("2d");
    if (!context) return;
    const font = { family: getComputedStyle(element).fontFamily, size: PALETTE.sizes.text };
    const labels = (surface: Surface, texts: readonly string[]) =>
      texts.reduce(
        (most, text) => Math.max(most, Math.min(LONGEST_LABEL, surface.measure(tokenText(text)))),
        14,
      ) + 10;
    const measuring = canvasSurface(context, font);
    const { source, target } = scene;
    const margins = {
      leftLabels: labels(measuring, target.labels),
      topLabels: labels(measuring, source.labels),
    };
    const space = { ...SPACE, ...margins, narrowest: narrowestColumn(source.kinds) };
    const layout = heatLayout(target.labels.length, source.labels.length, space, false);
    const { width, height } = layout;
    const prepared = prepareCanvas(canvas, width, height);
    if (!prepared) return;
    const cells = sceneCells(scene, scene.top, theme);
    const content = { source, target, cells, marks: [], pin: null, fade, theme };
    paintHeat(canvasSurface(prepared, font), content, layout, { scrollLeft: 0, scrollTop: 0, width, height });
  }

  /** Puts the map to the right of the thumbnail, or to the left if it would not fit, and keeps it inside the view. */
  function place(thumbnail: HTMLElement, around: HTMLElement): void {
    const [from, box] = [thumbnail.getBoundingClientRect(), around.getBoundingClientRect()];
    const [width, height] = [element.offsetWidth, element.offsetHeight];
    const right = from.right - box.left + GAP;
    const left = right + width <= box.width ? right : from.left - box.left - width - GAP;
    element.style.left = `${Math.max(0, Math.min(left, box.width - width))}px`;
    element.style.top = `${Math.max(0, Math.min(from.top - box.top, box.height - height))}px`;
  }

  return {
    element,
    show(props, thumbnail, around) {
      element.hidden = !props || !thumbnail;
      if (!props || !thumbnail) return;
      setText(title, props.title);
      paint(props);
      place(thumbnail, around);
    },
  };
}
