// Draws the picture, and over it the weights of its patches, on the screen and into files.
import { PALETTE } from "../core/palette";
import { paintPatches } from "../core/picture/heat";
import type { Rect } from "../core/picture/patches";
import type { Edge } from "../core/picture/regions";
import { parseColor } from "../core/scales";
import { type Surface, straight } from "../core/surface";
import type { ImageContent, ImageMarks } from "./content";
import type { ShownRow } from "./shown";
import { boxOf, sharpBoxOf, type Viewport } from "./viewport";

/** From this enlargement on, the pixels of the picture are rectangles. */
const PIXELS = 6;
/** Patches with a shorter side have no grid: it would hide the picture. */
const SMALLEST = 5;

export function paintPicture(
  surface: Surface,
  { picture, patches, theme }: ImageContent,
  view: Viewport,
): void {
  const { width, height } = patches.size;
  const whole = boxOf(view, { left: 0, top: 0, right: width, bottom: height });
  if (picture) surface.picture(picture.canvas, whole, view.scale * (width / picture.canvas.width) < PIXELS);
  surface.frame(whole, { color: theme.muted, width: 1, opacity: 0.5 });
}

/** The borders of all patches. */
export function paintGrid(surface: Surface, content: ImageContent, view: Viewport, density: number): void {
  if (!content.grid) return;
  const boxes = content.patches.rects.flatMap((rect) => sharpBoxOf(view, rect, density) ?? []);
  const shortest = boxes.reduce((least, { width, height }) => Math.min(least, width, height), Infinity);
  if (shortest < SMALLEST) return;
  const color = isDark(content) ? PALETTE.ink.light : PALETTE.ink.dark;
  surface.curves({ color, width: 1, opacity: shortest < 12 ? 0.09 : 0.13 }, (curve) => {
    // Each border once: those at the right and below belong to the next patch.
    for (const { x, y, width, height } of boxes) {
      straight(curve, x + 0.5, y, x + 0.5, y + height);
      straight(curve, x, y + 0.5, x + width, y + 0.5);
    }
  });
}

/** The weights of a word or of the mean, with the outline. */
export function paintHeat(
  surface: Surface,
  content: ImageContent,
  view: Viewport,
  density: number,
  { row, least, outlined }: Pick<ShownRow, "row" | "least" | "outlined">,
): void {
  const { rects } = content.patches;
  const onDark = isDark(content);
  const sharp = (rect: Rect) => sharpBoxOf(view, rect, density);
  const { values, top } = row;
  paintPatches(surface, { rects, values, top, least, opacity: content.opacity, onDark }, sharp);
  paintEdges(surface, outlined.edges, view, onDark);
}

/** What is pointed at or selected: a bright and a colored line, for every picture. */
export function paintMarks(surface: Surface, view: Viewport, { chosen, selection }: ImageMarks): void {
  const [color, halo] = [PALETTE.theme.light.accent, PALETTE.ink.light];
  for (const rect of chosen) {
    const box = boxOf(view, rect);
    surface.frame(box, { color: halo, width: 4, opacity: 0.9 });
    surface.frame(box, { color, width: 2 });
  }
  if (!selection) return;
  const box = boxOf(view, selection);
  surface.fill(box, color, 0.14);
  surface.frame(box, { color: halo, width: 3, opacity: 0.9 });
  surface.frame(box, { color, width: 1.5 });
}

/** Whether what is drawn over the picture has to be bright. */
export function isDark({ picture, theme }: Pick<ImageContent, "picture" | "theme">): boolean {
  return picture ? picture.dark : (parseColor(theme.paper)?.[1] ?? 255) < 128;
}

/** A dark and a bright line side by side: one of them stands out from every picture. */
function paintEdges(
  surface: Surface,
  edges: readonly Edge[],
  { left, top, scale }: Viewport,
  onDark: boolean,
): void {
  if (edges.length === 0) return;
  const { dark, light } = PALETTE.ink;
  // Boxes, not strokes: outlines of scattered patches have hundreds of corners, which take long to stroke.
  const draw = (color: string, width: number) => {
    for (const { x1, y1, x2, y2 } of edges)
      surface.fill(
        {
          x: left + x1 * scale - width / 2,
          y: top + y1 * scale - width / 2,
          width: (x2 - x1) * scale + width,
          height: (y2 - y1) * scale + width,
        },
        color,
      );
  };
  draw(onDark ? dark : light, 4);
  draw(onDark ? light : dark, 2);
}
