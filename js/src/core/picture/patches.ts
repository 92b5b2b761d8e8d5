// The parts of a picture that positions stand for: rectangles in its pixels, which one lies at a point, and which lie in
// a box.
import type { Place } from "../axis";
import type { ImageInfo } from "../contract";
import type { Size } from "./file";

/** A rectangle in pixels of the original picture. */
export interface Rect {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export interface Patches {
  rects: readonly Rect[];
  /** The source unit of each patch. */
  units: readonly number[];
  /** The patch of each source unit, -1 where it has no place. */
  ofUnit: Int32Array;
  /** The size of the original picture. */
  size: Size;
}

/** `places` has one for each unit; without a picture, it is as large as the places reach. */
export function patchesOf(places: readonly (Place | null)[], image: ImageInfo | null): Patches {
  const rects: Rect[] = [];
  const units: number[] = [];
  const ofUnit = new Int32Array(places.length).fill(-1);
  places.forEach((place, unit) => {
    if (place?.length !== 4) return;
    const [left, top, right, bottom] = place as [number, number, number, number];
    if (!(left < right && top < bottom)) return;
    ofUnit[unit] = rects.length;
    rects.push({ left, top, right, bottom });
    units.push(unit);
  });
  const reach = (side: "right" | "bottom") => rects.reduce((most, rect) => Math.max(most, rect[side]), 1);
  const size = image
    ? { width: image.width, height: image.height }
    : { width: reach("right"), height: reach("bottom") };
  return { rects, units, ofUnit, size };
}

/** The smallest patch at a point; -1 for none. */
export function patchAt({ rects }: Patches, x: number, y: number): number {
  let [best, smallest] = [-1, Number.POSITIVE_INFINITY];
  rects.forEach((rect, patch) => {
    if (x < rect.left || x >= rect.right || y < rect.top || y >= rect.bottom) return;
    const area = (rect.right - rect.left) * (rect.bottom - rect.top);
    if (area < smallest) [best, smallest] = [patch, area];
  });
  return best;
}

/** The patches whose middle lies in a box. */
export function patchesIn({ rects }: Patches, box: Rect): number[] {
  return rects.flatMap((rect, patch) => {
    const [x, y] = middleOf(rect);
    return x >= box.left && x <= box.right && y >= box.top && y <= box.bottom ? [patch] : [];
  });
}

export function middleOf({ left, top, right, bottom }: Rect): [x: number, y: number] {
  return [(left + right) / 2, (top + bottom) / 2];
}

/** The smallest rectangle around some. */
export function around(rects: readonly Rect[]): Rect {
  const all = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const { left, top, right, bottom } of rects) {
    all.left = Math.min(all.left, left);
    all.top = Math.min(all.top, top);
    all.right = Math.max(all.right, right);
    all.bottom = Math.max(all.bottom, bottom);
  }
  return all;
}

/** The nearest patch in a direction, such as [1, 0] for right; the same one where there is none. */
export function neighborOf({ rects }: Patches, patch: number, [dx, dy]: readonly [number, number]): number {
  const from = rects[patch];
  if (!from) return rects.length > 0 ? 0 : -1;
  const [x, y] = middleOf(from);
  // Half a patch away: the next row of a picture that is not quite straight is not beside.
  const least = ((dx === 0 ? from.bottom - from.top : from.right - from.left) || 1) / 4;
  let [best, nearest] = [patch, Number.POSITIVE_INFINITY];
  rects.forEach((rect, other) => {
    const [toX, toY] = middleOf(rect);
    const along = (toX - x) * dx + (toY - y) * dy;
    const aside = Math.abs((toX - x) * dy) + Math.abs((toY - y) * dx);
    if (along < least) return;
    const distance = along + 3 * aside;
    if (distance < nearest) [best, nearest] = [other, distance];
  });
  return best;
}
