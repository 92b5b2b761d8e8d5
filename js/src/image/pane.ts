// The canvases of the view: the picture, and over it what changes with every move of the pointer.
import { h, prepareCanvas } from "../core/dom";
import { canvasSurface } from "../core/surface";
import type { ImageContent, ImageMarks } from "./content";
import { paintMarks, paintPicture } from "./paint";
import { type Viewport, viewportOf, type Zoom } from "./viewport";

export interface ImagePane {
  element: HTMLElement;
  show(content: ImageContent, zoom: Zoom): void;
  mark(marks: ImageMarks): void;
  view(): Viewport | null;
}

export function createImagePane(): ImagePane {
  const hidden = { "aria-hidden": "true" };
  const [base, over] = [h("canvas", { attrs: hidden }), h("canvas", { attrs: hidden })];
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
    },
    mark(marks) {
      if (!shown) return;
      const { content, view } = shown;
      const context = prepareCanvas(over, view.width, view.height);
      if (context) paintMarks(canvasSurface(context), content, view, window.devicePixelRatio || 1, marks);
    },
    view: () => shown?.view ?? null,
  };
}
