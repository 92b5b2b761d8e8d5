// The kinds of an axis's positions, and their places in the medium.
import type { Axis, AxisKind } from "./contract";

/** [start, end] in seconds, or [left, top, right, bottom] in pixels. */
export type Place = readonly number[];

export function kindAt(axis: Axis, position: number): AxisKind {
  return (Array.isArray(axis.kind) ? axis.kind[position] : axis.kind) ?? "text";
}

export function placeAt(axis: Axis, position: number): Place | null {
  return axis.places?.[position] ?? null;
}

/** The smallest place that contains both; null if they cannot be combined, such as a span of time and a box. */
export function joinPlaces(a: Place | null, b: Place | null): Place | null {
  if (!a || !b) return a ?? b;
  if (a.length !== b.length) return null;
  const starts = a.length / 2;
  return a.map((value, i) => (i < starts ? Math.min : Math.max)(value, b[i] ?? value));
}
