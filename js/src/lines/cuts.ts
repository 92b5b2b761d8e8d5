// Where each row of a matrix is cut: the smallest weight whose line is kept.
import { leastOf } from "../core/fewest";
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
        ? leastOf(matrix, filter.mass, start, start + width)
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
