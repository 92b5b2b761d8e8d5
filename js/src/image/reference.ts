// The true boxes of the words, and how well the boxes of what a word read agree with them.
import type { ReferenceBoxes } from "../core/contract";
import type { Rect } from "../core/picture/patches";
import { readShift } from "../core/reference";
import type { Scene } from "../core/scene";

/** True boxes with their label. */
export interface TrueBoxes {
  text: string;
  boxes: readonly Rect[];
  /** Whether they are those of the shown word. */
  isShown: boolean;
}

/** How well the boxes of the shown word agree with true ones. */
export interface Agreement {
  /** The label of the true boxes, where they are of more than the word; "" for those of the word alone. */
  text: string;
  /** Intersection over union. */
  iou: number;
}

export interface ReferenceShown {
  /** Those of the shown word last, so that they are drawn over the others. */
  all: TrueBoxes[];
  agreement: Agreement[];
}

/** `found` are the boxes around what the word was read from; `unit` is null for the mean of all words. */
export function referenceShown(
  scene: Scene,
  unit: number | null,
  found: readonly Rect[],
): ReferenceShown | null {
  const given = scene.reply.reference_boxes;
  if (!given) return null;
  const known = given.map(({ text, rows, boxes }) => {
    const units = unitsOf(scene, rows);
    const rects = boxes.map(([left, top, right, bottom]) => ({ left, top, right, bottom }));
    return { text, boxes: rects, units, isShown: unit !== null && units.includes(unit) };
  });
  const all = known
    .map(({ text, boxes, isShown }) => ({ text, boxes, isShown }))
    .sort((a, b) => Number(a.isShown) - Number(b.isShown));
  const agreement = known
    .filter(({ isShown }) => isShown)
    .map(({ text, boxes, units }) => ({
      text: units.length > 1 ? text : "",
      iou: intersectionOverUnion(found, boxes),
    }));
  return { all, agreement };
}

function unitsOf({ spec, target }: Scene, rows: ReferenceBoxes["rows"]): number[] {
  if (!rows) return [];
  const [first, stop] = rows.map((row) => row + readShift(spec.reading)) as [number, number];
  const units = Array.from({ length: stop - first }, (_, i) => target.assign[first + i] ?? -1);
  return [...new Set(units.filter((unit) => unit >= 0))];
}

/**
 * The area that both sets of rectangles cover, divided by the area that either covers; 0 where nothing is covered.
 * Python says the same in xattn_widget/alignment/regions.py.
 */
export function intersectionOverUnion(first: readonly Rect[], second: readonly Rect[]): number {
  const sides = (low: "left" | "top", high: "right" | "bottom") =>
    [...new Set([...first, ...second].flatMap((rect) => [rect[low], rect[high]]))].sort((a, b) => a - b);
  const [xs, ys] = [sides("left", "right"), sides("top", "bottom")];
  const covers = (rects: readonly Rect[], x: number, y: number) =>
    rects.some(({ left, top, right, bottom }) => x >= left && x < right && y >= top && y < bottom);
  let [both, either] = [0, 0];
  for (let row = 0; row + 1 < ys.length; row++)
    for (let column = 0; column + 1 < xs.length; column++) {
      const [x, y] = [xs[column] as number, ys[row] as number];
      const inside = [first, second].map((rects) => covers(rects, x, y));
      const area = ((xs[column + 1] as number) - x) * ((ys[row + 1] as number) - y);
      if (inside[0] && inside[1]) both += area;
      if (inside[0] || inside[1]) either += area;
    }
  return either > 0 ? both / either : 0;
}
