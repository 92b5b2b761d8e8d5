// Two scenes side by side: which units they share, and the difference of their weights there.

import { lackingUnit, type Scene } from "../core/scene";
import { maximum, pickUnits, type Units } from "../core/units";

export interface Difference {
  source: Units;
  target: Units;
  /** First minus second, [target, source] over the shared units. */
  values: Float32Array;
  /** The largest absolute difference. */
  top: number;
  /** Unit of each scene for each shared unit. */
  first: { source: number[]; target: number[] };
  second: { source: number[]; target: number[] };
}

/** Pairs of equal labels in the order of both lists: a longest common subsequence. */
export function sharedUnits(a: readonly string[], b: readonly string[]): [number, number][] {
  // A common beginning and end need no table; two heads share everything.
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end])
    end++;
  const pairs: [number, number][] = Array.from({ length: start }, (_, i) => [i, i]);
  const [rows, columns] = [a.length - start - end, b.length - start - end];
  const width = columns + 1;
  const best = new Uint16Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i--)
    for (let j = columns - 1; j >= 0; j--)
      best[i * width + j] =
        a[start + i] === b[start + j]
          ? 1 + (best[(i + 1) * width + j + 1] ?? 0)
          : Math.max(best[(i + 1) * width + j] ?? 0, best[i * width + j + 1] ?? 0);
  let [i, j] = [0, 0];
  while (i < rows && j < columns) {
    if (a[start + i] === b[start + j]) pairs.push([start + i++, start + j++]);
    else if ((best[(i + 1) * width + j] ?? 0) >= (best[i * width + j + 1] ?? 0)) i++;
    else j++;
  }
  for (let k = end; k > 0; k--) pairs.push([a.length - k, b.length - k]);
  return pairs;
}

/** The difference where both scenes have a target and a source unit; null where they share none. */
export function differenceOf(a: Scene, b: Scene): Difference | null {
  const [lackingA, lackingB] = [a, b].map(({ spec, target }) => lackingUnit(spec, target));
  const rows = sharedUnits(a.target.labels, b.target.labels).filter(
    ([i, j]) => i !== lackingA && j !== lackingB,
  );
  const columns = sharedUnits(a.source.labels, b.source.labels);
  if (rows.length === 0 || columns.length === 0) return null;
  const [wideA, wideB] = [a.source.labels.length, b.source.labels.length];
  const values = new Float32Array(rows.length * columns.length);
  rows.forEach(([i, j], row) => {
    columns.forEach(([k, l], column) => {
      values[row * columns.length + column] =
        (a.aggregate[i * wideA + k] ?? 0) - (b.aggregate[j * wideB + l] ?? 0);
    });
  });
  const first = { source: columns.map(([k]) => k), target: rows.map(([i]) => i) };
  return {
    source: pickUnits(a.source, first.source),
    target: pickUnits(a.target, first.target),
    values,
    top: maximum(values.map(Math.abs)),
    first,
    second: { source: columns.map(([, l]) => l), target: rows.map(([, j]) => j) },
  };
}
