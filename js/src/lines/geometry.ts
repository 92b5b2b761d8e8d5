// Geometry of the lines view: slots of tokens along an axis, and the lines between two axes.
import type { Keep } from "../core/contract";

export { rowCuts } from "./cuts";

/** Token slots along one axis: `edges[i]` to `edges[i + 1]` is slot i. */
export interface Slots {
  edges: Float64Array;
  count: number;
  total: number;
}

export function uniformSlots(count: number, size: number): Slots {
  const edges = Float64Array.from({ length: count + 1 }, (_, i) => i * size);
  return { edges, count, total: count * size };
}

/** Slots in proportion to `sizes`, stretched so that together they fill `total`. */
export function stretchedSlots(sizes: readonly number[], total: number): Slots {
  const sum = sizes.reduce((a, b) => a + b, 0);
  const spare = sizes.length > 0 ? (total - sum) / sizes.length : 0;
  const edges = new Float64Array(sizes.length + 1);
  sizes.forEach((size, i) => {
    edges[i + 1] = (edges[i] ?? 0) + size + spare;
  });
  return { edges, count: sizes.length, total: edges[sizes.length] ?? 0 };
}

export function scaledSlots(slots: Slots, scale: number): Slots {
  return { edges: slots.edges.map((edge) => edge * scale), count: slots.count, total: slots.total * scale };
}

export function centerOf(slots: Slots, index: number): number {
  return ((slots.edges[index] ?? 0) + (slots.edges[index + 1] ?? 0)) / 2;
}

/** The slot that holds `position`, or -1 outside. */
export function slotAt(slots: Slots, position: number): number {
  if (!(position >= 0) || position >= slots.total) return -1;
  let low = 0;
  let high = slots.count - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((slots.edges[middle] ?? 0) <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Lines in draw order, weakest first; `found` counts those above the threshold before the cap. */
export interface Lines {
  set: Uint8Array;
  target: Uint16Array;
  source: Uint16Array;
  weight: Float32Array;
  found: number;
}

/** The most lines to draw: on the screen, more would blur together and take too long. */
export const MAX_LINES = 4000;

export interface Filter {
  keep: Keep;
  threshold: number;
  top_k: number;
  mass: number;
}

/**
 * The strongest `cap` lines at or above their row's cut over all sets of [target, source] weights.
 * A histogram finds the cut: sorting every weight of 512 x 512 would cost a frame.
 */
export function collectLines(
  sets: readonly Float32Array[],
  width: number,
  cuts: readonly Float32Array[],
  cap: number,
): Lines {
  const bins = 1024;
  const counts = new Uint32Array(bins + 1);
  const bin = (weight: number) => Math.min(bins, Math.floor(Math.sqrt(weight) * bins));
  /** Calls `found` for every weight that is a line; a weight of zero never is. */
  const scan = (found: (set: number, row: number, column: number, weight: number) => void) => {
    sets.forEach((matrix, set) => {
      for (let row = 0, i = 0; i < matrix.length; row++) {
        const cut = cuts[set]?.[row] ?? 0;
        for (let column = 0; column < width; column++, i++) {
          const weight = matrix[i] ?? 0;
          if (weight > 0 && weight >= cut) found(set, row, column, weight);
        }
      }
    });
  };
  let found = 0;
  scan((_set, _row, _column, weight) => {
    found++;
    const b = bin(weight);
    counts[b] = (counts[b] ?? 0) + 1;
  });
  let least = 0;
  if (found > cap) {
    let kept = 0;
    least = bins;
    while (least > 0 && kept + (counts[least] ?? 0) <= cap) {
      kept += counts[least] ?? 0;
      least--;
    }
    least++;
  }
  const picked: [number, number, number, number][] = [];
  scan((set, row, column, weight) => {
    if (bin(weight) >= least) picked.push([set, row, column, weight]);
  });
  return { ...packLines(picked), found };
}

/** Lines [set, target, source, weight] in draw order. */
export function packLines(picked: [number, number, number, number][]): Lines {
  picked.sort((a, b) => a[3] - b[3]);
  return {
    set: Uint8Array.from(picked, (line) => line[0]),
    target: Uint16Array.from(picked, (line) => line[1]),
    source: Uint16Array.from(picked, (line) => line[2]),
    weight: Float32Array.from(picked, (line) => line[3]),
    found: picked.length,
  };
}

/** The strongest of lines that are in draw order. */
export function strongest(lines: Lines, count: number): Lines {
  const from = Math.max(0, lines.weight.length - count);
  return {
    set: lines.set.subarray(from),
    target: lines.target.subarray(from),
    source: lines.source.subarray(from),
    weight: lines.weight.subarray(from),
    found: lines.found,
  };
}

/** Whether a line from `a` to `b` along the axis crosses the window [from, to]. */
export function crosses(a: number, b: number, from: number, to: number): boolean {
  return Math.max(a, b) >= from && Math.min(a, b) <= to;
}

export function lineWidth(weight: number): number {
  return 0.7 + 4.8 * Math.min(1, weight);
}

export function lineOpacity(weight: number): number {
  return 0.1 + 0.85 * Math.min(1, weight) ** 0.4;
}
