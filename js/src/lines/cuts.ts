// Where each row of a matrix is cut: the smallest weight whose line is kept.
import type { Filter } from "./selection";

/**
 * The smallest weight that each row of a [target, source] matrix keeps: the threshold, the row's k-th strongest, or the
 * one with which the strongest together reach their share of the row's mass. Equal weights are kept together. Rows are
 * not sorted as a whole: that would take longer than a frame for 512 x 512.
 */
export function rowCuts(matrix: Float32Array, width: number, filter: Filter): Float32Array {
  const rows = width > 0 ? matrix.length / width : 0;
  const cuts = new Float32Array(rows).fill(filter.threshold);
  if (filter.keep === "threshold") return cuts;
  for (let row = 0; row < rows; row++) {
    const start = row * width;
    cuts[row] =
      filter.keep === "mass"
        ? massCut(matrix, start, width, filter.mass)
        : topCut(matrix, start, width, filter.top_k);
  }
  return cuts;
}

/** Up to this many, the strongest are kept in order while the row is read. */
const FEW = 8;

function topCut(matrix: Float32Array, start: number, width: number, count: number): number {
  if (count >= width) return width > 0 ? least(matrix, start, width) : Number.POSITIVE_INFINITY;
  if (count > FEW) return matrix.slice(start, start + width).sort()[width - count] as number;
  // Strongest first.
  const top = new Float32Array(count).fill(Number.NEGATIVE_INFINITY);
  for (let i = start; i < start + width; i++) {
    const weight = matrix[i] as number;
    if (!(weight > (top[count - 1] as number))) continue;
    let place = count - 1;
    for (; place > 0 && weight > (top[place - 1] as number); place--) top[place] = top[place - 1] as number;
    top[place] = weight;
  }
  return top[count - 1] as number;
}

function least(matrix: Float32Array, start: number, width: number): number {
  let value = Number.POSITIVE_INFINITY;
  for (let i = start; i < start + width; i++) value = Math.min(value, matrix[i] as number);
  return value;
}

function massCut(matrix: Float32Array, start: number, width: number, mass: number): number {
  let whole = 0;
  for (let i = start; i < start + width; i++) whole += matrix[i] as number;
  // Compared in double precision, slightly below the share, so that rounding does not keep one line too many.
  const wanted = whole * mass - 1e-6;
  if (wanted <= 0) return Number.POSITIVE_INFINITY;
  // Weights below this one together have less than the share that is left out.
  const small = (whole * (1 - mass)) / width;
  let count = 0;
  for (let i = start; i < start + width; i++) if ((matrix[i] as number) >= small) count++;
  const sorted = new Float32Array(count);
  for (let i = start, place = 0; i < start + width; i++)
    if ((matrix[i] as number) >= small) sorted[place++] = matrix[i] as number;
  sorted.sort();
  let [sum, last] = [0, count];
  for (; last > 0 && sum < wanted; last--) sum += sorted[last - 1] as number;
  return sorted[last] as number;
}
