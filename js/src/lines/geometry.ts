// Geometry of the lines view: slots of tokens along an axis, and the lines between two axes.

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
