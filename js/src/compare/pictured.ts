// Two picks over their pictures: the weights of the same word on either side, and the difference patch by patch.
import type { Picture } from "../core/picture/file";
import type { Patches, Rect } from "../core/picture/patches";
import { readRow } from "../core/picture/rows";
import type { Scene } from "../core/scene";
import { maximum } from "../core/units";
import { sharedUnits } from "./difference";

export interface Side {
  picture: Picture | null;
  patches: Patches;
}

export interface Pictured {
  sides: readonly [Side, Side];
  /** The word, as a unit of the first scene; null for the mean of all. */
  unit: number | null;
  /** The weights on either side; null where the second has no such word. */
  values: readonly [Float32Array, Float32Array | null];
  /** The largest weight on both. */
  top: number;
  /** For each patch of the first the same patch of the second, -1 where it has none; null where it has no such word. */
  difference: { values: Float32Array; second: Int32Array; top: number } | null;
}

export function pictured(
  scenes: readonly [Scene, Scene],
  sides: readonly [Side, Side],
  pinned: number | null,
) {
  const [first, second] = scenes;
  const unit = pinned !== null && pinned < first.target.labels.length ? pinned : null;
  const other = unit === null ? null : otherUnit(first, second, unit);
  const values = readRow(first, sides[0].patches, unit).values;
  const otherValues = other === -1 ? null : readRow(second, sides[1].patches, other).values;
  const compared: Pictured = {
    sides,
    unit,
    values: [values, otherValues],
    top: Math.max(maximum(values), otherValues ? maximum(otherValues) : 0),
    difference: otherValues && differenceOf(values, otherValues, sides),
  };
  return compared;
}

/** The same word of the other scene; -1 where it has none. */
function otherUnit(first: Scene, second: Scene, unit: number): number {
  return sharedUnits(first.target.labels, second.target.labels).find(([one]) => one === unit)?.[1] ?? -1;
}

function differenceOf(
  one: Float32Array,
  other: Float32Array,
  [first, second]: readonly [Side, Side],
): Pictured["difference"] {
  const [size, otherSize] = [first.patches.size, second.patches.size];
  // Without a picture the size is that of the places, which are rounded.
  if (Math.abs(size.width - otherSize.width) >= 1 || Math.abs(size.height - otherSize.height) >= 1)
    return null;
  const places = new Map(second.patches.rects.map((rect, patch) => [placeOf(rect), patch]));
  const same = Int32Array.from(first.patches.rects, (rect) => places.get(placeOf(rect)) ?? -1);
  if (same.every((patch) => patch < 0)) return null;
  const values = one.map((value, patch) => {
    const there = same[patch] as number;
    return there < 0 ? 0 : value - (other[there] as number);
  });
  return { values, second: same, top: maximum(values.map(Math.abs)) };
}

/** Places that differ by less than half a pixel are the same. */
function placeOf({ left, top, right, bottom }: Rect): string {
  return [left, top, right, bottom].map(Math.round).join(" ");
}
