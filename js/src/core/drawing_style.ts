// The style of a drawing: the font of the panel, measured as the browser draws it.
import { FONT_SIZE, type Style } from "./markup";
import type { Theme } from "./theme";

export function drawingStyle(root: HTMLElement, theme: Theme): Style {
  const family = getComputedStyle(root).fontFamily;
  const context = document.createElement("canvas").getContext("2d");
  const measure = (text: string, bold = false) => {
    if (!context) return text.length * 7;
    context.font = `${bold ? 600 : 400} ${FONT_SIZE}px ${family}`;
    return context.measureText(text).width;
  };
  return { theme, family, measure };
}
