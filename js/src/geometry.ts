// Pure geometry of the sentence view: slots of tokens along an axis, and the lines between two axes.

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

export function centreOf(slots: Slots, index: number): number {
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

/** The cell [row, column] under a point of a heat map, or null outside. */
export function cellAt(
  x: number,
  y: number,
  cellWidth: number,
  cellHeight: number,
  rows: number,
  columns: number,
): [number, number] | null {
  const row = Math.floor(y / cellHeight);
  const column = Math.floor(x / cellWidth);
  return row >= 0 && column >= 0 && row < rows && column < columns ? [row, column] : null;
}

/** Lines in draw order, weakest first; `found` counts those above the threshold before the cap. */
export interface Lines {
  set: Uint8Array;
  target: Uint16Array;
  source: Uint16Array;
  weight: Float32Array;
  found: number;
}

/**
 * The strongest `cap` lines at or above `threshold` over all sets of [target, source] weights.
 * A histogram finds the cut: sorting every weight of 512 x 512 would cost a frame.
 */
export function collectLines(
  sets: readonly Float32Array[],
  width: number,
  threshold: number,
  cap: number,
): Lines {
  const bins = 1024;
  const counts = new Uint32Array(bins + 1);
  const bin = (weight: number) => Math.min(bins, Math.floor(Math.sqrt(weight) * bins));
  // Weight zero is no line, whatever the threshold.
  const visible = (weight: number) => weight > 0 && weight >= threshold;
  let found = 0;
  for (const matrix of sets)
    for (const weight of matrix) {
      if (!visible(weight)) continue;
      found++;
      const b = bin(weight);
      counts[b] = (counts[b] ?? 0) + 1;
    }
  let cut = 0;
  if (found > cap) {
    let kept = 0;
    cut = bins;
    while (cut > 0 && kept + (counts[cut] ?? 0) <= cap) {
      kept += counts[cut] ?? 0;
      cut--;
    }
    cut++;
  }
  const picked: [number, number, number][] = [];
  sets.forEach((matrix, set) => {
    for (let i = 0; i < matrix.length; i++) {
      const weight = matrix[i] ?? 0;
      if (visible(weight) && bin(weight) >= cut) picked.push([set, i, weight]);
    }
  });
  picked.sort((a, b) => a[2] - b[2]);
  return {
    set: Uint8Array.from(picked, (p) => p[0]),
    target: Uint16Array.from(picked, (p) => Math.floor(p[1] / width)),
    source: Uint16Array.from(picked, (p) => p[1] % width),
    weight: Float32Array.from(picked, (p) => p[2]),
    found,
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

/** Every `step`-th label of an axis fits when slots are `slot` pixels and a label needs `needed`. */
export function labelStep(slot: number, needed: number): number {
  return slot >= needed ? 1 : Math.ceil(needed / Math.max(slot, 0.01));
}
