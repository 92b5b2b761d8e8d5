// Geometry of a scatter plot: ticks at round numbers, places of dots, and the next dot in a direction.
import { nice, ticks } from "d3-array";
import type { Head } from "../core/contract";

export interface Dot {
  head: Head;
  x: number;
  y: number;
}

/** A range that ends at round numbers. */
export interface LinearScale {
  low: number;
  high: number;
  ticks: number[];
}

/** The smallest range that ends at round numbers and contains all values. */
export function niceScale(values: readonly number[], wanted = 4): LinearScale {
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (!(high > low)) {
    const margin = Math.abs(low || 1) * 0.5;
    [low, high] = [low - margin, high + margin];
  }
  [low, high] = nice(low, high, wanted);
  return { low, high, ticks: ticks(low, high, wanted) };
}

export function position(value: number, scale: LinearScale, size: number): number {
  return ((value - scale.low) / (scale.high - scale.low)) * size;
}

/** Heads with both scores defined. */
export function dotsOf(
  xs: readonly (readonly (number | null)[])[],
  ys: readonly (readonly (number | null)[])[],
): Dot[] {
  return xs.flatMap((row, layer) =>
    row.flatMap((x, head) => {
      const y = ys[layer]?.[head];
      const defined = x !== null && Number.isFinite(x) && y !== null && y !== undefined && Number.isFinite(y);
      return defined ? [{ head: [layer, head] as Head, x, y }] : [];
    }),
  );
}

/**
 * How far to scroll so that a column is in sight, and so that the first columns, which stay, cover others whole.
 *
 * `shown` is what is in sight now: how far it has scrolled, the width of what stays, and all of its width.
 */
export function scrollToColumn(
  columns: readonly { left: number; width: number }[],
  index: number,
  shown: { scroll: number; before: number; width: number },
): number {
  const { left, width } = columns[index] ?? { left: 0, width: 0 };
  const { scroll, before } = shown;
  const isWhole = scroll === 0 || columns.some((column) => Math.abs(column.left - before - scroll) < 1);
  if (isWhole && left >= scroll + before && left + width <= scroll + shown.width) return scroll;
  // The first column that can stand beside those that stay while the wanted one is in sight.
  const first = columns.find((column) => left + width <= column.left - before + shown.width);
  return Math.max(0, Math.min(left, first?.left ?? left) - before);
}

/** The nearest dot in the direction of an arrow key, on the screen (y grows downward); null at the edge. */
export function nextDot(
  places: readonly { x: number; y: number }[],
  from: number,
  key: string,
): number | null {
  const origin = places[from];
  const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (!origin || !way) return null;
  const [wx = 0, wy = 0] = way;
  let best: number | null = null;
  let least = Number.POSITIVE_INFINITY;
  places.forEach((place, index) => {
    const [dx, dy] = [place.x - origin.x, place.y - origin.y];
    const ahead = dx * wx + dy * wy;
    const aside = Math.abs(dx * wy) + Math.abs(dy * wx);
    // Dots at the same place follow one another in order.
    const same = ahead === 0 && aside === 0 && (index - from) * (wx + wy) > 0;
    if (index === from || (ahead <= 0 && !same)) return;
    const cost = same ? Math.abs(index - from) * 1e-6 : ahead + 2 * aside;
    if (cost < least) [best, least] = [index, cost];
  });
  return best;
}
