// How much weight the columns held that the setting "special" removes.
import type { Units } from "./units";

/** Adds for each target unit the share of its rows' weight that one head has on columns that are removed. */
export function addDropped(
  into: Float32Array,
  weights: Float32Array,
  target: Units,
  source: Units,
  columns: readonly number[],
): void {
  const width = source.assign.length;
  target.positions.forEach((rows, unit) => {
    for (const row of rows) {
      const start = row * width;
      let [lost, kept] = [0, 0];
      for (const column of columns) lost += weights[start + column] ?? 0;
      for (let column = 0; column < width; column++)
        if ((source.assign[column] ?? -1) >= 0) kept += weights[start + column] ?? 0;
      if (lost > 0) into[unit] = (into[unit] ?? 0) + lost / (lost + kept) / rows.length;
    }
  });
}

/** The share of the removed columns as a mean over the rows that are shown; null where no column is removed. */
export function droppedShare({ dropped, target }: { dropped: Float32Array | null; target: Units }) {
  if (!dropped || dropped.length === 0) return null;
  let [sum, rows] = [0, 0];
  target.positions.forEach(({ length }, unit) => {
    sum += (dropped[unit] ?? 0) * length;
    rows += length;
  });
  return sum / rows;
}
