// The style of a drawing: the font of the panel, measured as the browser draws it.
import { FONT_SIZE, type Style } from "./markup";
import type { Theme } from "./theme";

export function drawingStyle(root: HTMLElement, theme: Theme): Style {
  const family = getComputedStyle(root).fontFamily;
  const context = document.createElement("canvas").getContext("2d");
  if (context) context.font = `${FONT_SIZE}px ${family}`;
  return {
    theme,
    family,
    measure: (text) => context?.measureText(text).width ?? text.length * 7,
  };
}
