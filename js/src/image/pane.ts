// The canvases of the view, over one another: the picture, the weights, the grid, and what changes with
// every move of the pointer. So a move draws little: thousands of patches have as many borders.
import { h, prepareCanvas } from "../core/dom";
import { canvasSurface } from "../core/surface";
import { paintLabeled } from "./boxes";
import type { ImageContent, ImageMarks } from "./content";
import { paintGrid, paintHeat, paintMarks, paintPicture } from "./paint";
import type { ShownRow } from "./shown";
import { type Viewport, viewportOf, type Zoom } from "./viewport";

export interface ImagePane {
  element: HTMLElement;
  show(content: ImageContent, zoom: Zoom): void;
  /** Draws other weights over the picture. */
  heat(row: ShownRow): void;
  mark(marks: ImageMarks): void;
  view(): Viewport | null;
}

export function createImagePane(): ImagePane {
  const hidden = { "aria-hidden": "true" };
  const [base, over, grid, top] = Array.from({ length: 4 }, () => h("canvas", { attrs: hidden })) as [
    HTMLCanvasElement,
    HTMLCanvasElement,
    HTMLCanvasElement,
    HTMLCanvasElement,
  ];
  const element = h(
    "div",
    {
      class: "xattn-image-pane",
      attrs: {
        role: "application",
        tabindex: "0",
        "aria-label":
          "Picture with attention by patch. Arrow keys walk along the patches, Enter pins one, Escape unpins, plus and minus zoom, 0 shows everything, Shift and arrow keys move the shown part.",
      },
    },
    base,
    over,
    grid,
    top,
  );
  let shown: { content: ImageContent; view: Viewport } | null = null;

  return {
    element,
    show(content, zoom) {
      const view = viewportOf(content.patches.size, element.clientWidth || 480, zoom);
      shown = { content, view };
      element.style.height = `${view.height}px`;
      const context = prepareCanvas(base, view.width, view.height);
      if (context) paintPicture(canvasSurface(context), content, view);
      const above = prepareCanvas(grid, view.width, view.height);
      if (above) paintGrid(canvasSurface(above), content, view, window.devicePixelRatio || 1);
    },
    heat(row) {
      if (!shown) return;
      const { content, view } = shown;
      const context = prepareCanvas(over, view.width, view.height);
      if (!context) return;
      const surface = canvasSurface(context);
      paintHeat(surface, content, view, window.devicePixelRatio || 1, row);
      paintLabeled(surface, content, view, row);
    },
    mark(marks) {
      if (!shown) return;
      const { view } = shown;
      const context = prepareCanvas(top, view.width, view.height);
      if (context) paintMarks(canvasSurface(context), view, marks);
    },
    view: () => shown?.view ?? null,
  };
}
