// Draws boxes with labels over the picture: those around what a word was read from, and the true ones, dashed.
import { tokenText } from "../core/format";
import { PALETTE } from "../core/palette";
import type { Rect } from "../core/picture/patches";
import type { Box, Surface } from "../core/surface";
import type { ImageContent } from "./content";
import { isDark } from "./paint";
import type { ReferenceShown } from "./reference";
import type { ShownRow } from "./shown";
import { boxOf, type Viewport } from "./viewport";

const LABEL = 11;
const LABEL_HEIGHT = 16;
const LABEL_PADDING = 4;
/** Longer labels are cut. */
const WIDEST = 160;
const DASH = [6, 4];

/** All boxes with labels. */
export function paintLabeled(surface: Surface, content: ImageContent, view: Viewport, row: ShownRow): void {
  if (row.reference) paintReference(surface, content, view, row.reference);
  paintBoxes(surface, content, view, row);
}

/** The boxes around what the word was read from, with its label. */
function paintBoxes(
  surface: Surface,
  content: ImageContent,
  view: Viewport,
  { boxes, label }: Pick<ShownRow, "boxes" | "label">,
): void {
  const { dark, light } = PALETTE.ink;
  const [color, rim] = isDark(content) ? [light, dark] : [dark, light];
  const taken: Box[] = [];
  for (const rect of boxes) {
    const box = boxOf(view, rect);
    surface.frame(box, { color: rim, width: 4 });
    surface.frame(box, { color, width: 2 });
  }
  const [first] = boxes;
  if (first && label !== "")
    paintLabel(surface, content, view, first, { text: label, color, ink: rim }, taken);
}

/** The true boxes of all words, those of the shown one wider. A label that would cover another is left out. */
function paintReference(
  surface: Surface,
  content: ImageContent,
  view: Viewport,
  { all }: ReferenceShown,
): void {
  const onDark = isDark(content);
  const color = PALETTE.reference[onDark ? "dark" : "light"];
  const rim = onDark ? PALETTE.ink.dark : PALETTE.ink.light;
  const isPointed = all.some(({ isShown }) => isShown);
  for (const { boxes, isShown } of all)
    for (const rect of boxes) {
      const box = boxOf(view, rect);
      const opacity = isShown || !isPointed ? 1 : 0.6;
      surface.frame(box, { color: rim, width: isShown ? 5 : 3, opacity: 0.8 * opacity });
      surface.frame(box, { color, width: isShown ? 3 : 1.5, opacity, dash: DASH });
    }
  const taken: Box[] = [];
  // The label of the shown word has its place first.
  for (const { text, boxes, isShown } of [...all].reverse()) {
    const [first] = boxes;
    if (!first || (isPointed && !isShown)) continue;
    paintLabel(surface, content, view, first, { text, color, ink: PALETTE.ink.dark }, taken, true);
  }
}

/** A label above the upper left corner of a rectangle, or below it, where no other label is. */
function paintLabel(
  surface: Surface,
  { patches }: ImageContent,
  view: Viewport,
  rect: Rect,
  { text, color, ink }: { text: string; color: string; ink: string },
  taken: Box[],
  below = false,
): void {
  const box = boxOf(view, rect);
  const { width, height } = patches.size;
  const whole = boxOf(view, { left: 0, top: 0, right: width, bottom: height });
  const [left, right] = [Math.max(0, whole.x), Math.min(view.width, whole.x + whole.width)];
  const shown = fitted(surface, tokenText(text), Math.min(WIDEST, right - left - 2 * LABEL_PADDING));
  const wide = surface.measure(shown, { size: LABEL }) + 2 * LABEL_PADDING;
  const [above, under] = [box.y - LABEL_HEIGHT - 2, box.y + box.height + 2];
  const fits = (y: number) => y >= 0 && y + LABEL_HEIGHT <= view.height;
  // True boxes have theirs below, so that it does not cover the label of what was read from the same place.
  const y = [...(below ? [under, above] : [above, under]), box.y].find(fits) ?? box.y;
  const x = Math.max(left, Math.min(box.x, right - wide));
  const place = { x, y, width: wide, height: LABEL_HEIGHT };
  if (taken.some((other) => overlaps(other, place))) return;
  taken.push(place);
  surface.fill(place, color, 0.92);
  surface.text(shown, { x: x + LABEL_PADDING, y: y + LABEL_HEIGHT / 2 }, { color: ink, size: LABEL });
}

function overlaps(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

function fitted(surface: Surface, text: string, width: number): string {
  const characters = Array.from(text);
  let shown = text;
  while (characters.length > 1 && surface.measure(shown, { size: LABEL }) > width) {
    characters.pop();
    shown = `${characters.join("")}…`;
  }
  return shown;
}
