// Patches that hang together: their box, and the line around them. Python says the same of boxes in
// xattn_widget/alignment/regions.py.
import { around, type Rect } from "./patches";

export interface Region {
  /** Indices of its rectangles. */
  members: number[];
  box: Rect;
}

/** A horizontal or vertical line. */
export interface Edge {
  x1: number;
  y1: number;
  x2: number;
  y2: number;
}

export interface Regions {
  regions: Region[];
  /** The boundary of all of them. */
  edges: Edge[];
}

/** Edges that are shared differ by rounding; by this share of the smallest side they may be apart. */
const SLACK = 0.02;

/** Rectangles that touch, at a corner too, belong to one region. */
export function regionsOf(rects: readonly Rect[]): Regions {
  if (rects.length === 0) return { regions: [], edges: [] };
  const xs = marksOf(rects, "left", "right");
  const ys = marksOf(rects, "top", "bottom");
  const [columns, rows] = [xs.values.length - 1, ys.values.length - 1];
  const covered = new Uint8Array(columns * rows);
  const first = rects.map((rect) => {
    const [left, right] = [xs.index(rect.left), Math.max(xs.index(rect.left) + 1, xs.index(rect.right))];
    const [top, bottom] = [ys.index(rect.top), Math.max(ys.index(rect.top) + 1, ys.index(rect.bottom))];
    for (let row = top; row < bottom; row++)
      covered.fill(1, row * columns + left, row * columns + Math.min(columns, right));
    return top * columns + left;
  });
  const groups = flood(covered, columns, rows);
  const members = new Map<number, number[]>();
  first.forEach((cell, rect) => {
    const group = groups[cell] ?? 0;
    const known = members.get(group);
    if (known) known.push(rect);
    else members.set(group, [rect]);
  });
  const regions = [...members.values()].map((list) => ({
    members: list,
    box: around(list.map((rect) => rects[rect] as Rect)),
  }));
  return { regions, edges: edgesOf(covered, columns, rows, xs.values, ys.values) };
}

/** The places of all edges in one direction, where those that differ by rounding are one. */
function marksOf(rects: readonly Rect[], low: "left" | "top", high: "right" | "bottom") {
  let smallest = Number.POSITIVE_INFINITY;
  for (const rect of rects) smallest = Math.min(smallest, rect[high] - rect[low]);
  const slack = SLACK * smallest;
  const all = new Float64Array(2 * rects.length);
  rects.forEach((rect, i) => {
    all[2 * i] = rect[low];
    all[2 * i + 1] = rect[high];
  });
  all.sort();
  const values: number[] = [];
  for (const value of all) {
    const last = values[values.length - 1];
    if (last === undefined || value - last > slack) values.push(value);
  }
  if (values.length === 1) values.push((values[0] ?? 0) + 1);
  /** The last mark that is not greater, but for rounding. */
  const index = (value: number) => {
    let [from, to] = [0, values.length - 1];
    while (from < to) {
      const middle = (from + to + 1) >> 1;
      if ((values[middle] as number) <= value + 1e-9) from = middle;
      else to = middle - 1;
    }
    return from;
  };
  return { values, index };
}

/** A number for each covered cell, the same for those that hang together. */
function flood(covered: Uint8Array, columns: number, rows: number): Int32Array {
  const groups = new Int32Array(covered.length).fill(-1);
  const waiting: number[] = [];
  let count = 0;
  for (let start = 0; start < covered.length; start++) {
    if (!covered[start] || groups[start] !== -1) continue;
    groups[start] = count;
    waiting.push(start);
    for (let cell = waiting.pop(); cell !== undefined; cell = waiting.pop()) {
      const [row, column] = [Math.floor(cell / columns), cell % columns];
      for (let y = Math.max(0, row - 1); y <= Math.min(rows - 1, row + 1); y++)
        for (let x = Math.max(0, column - 1); x <= Math.min(columns - 1, column + 1); x++) {
          const other = y * columns + x;
          if (!covered[other] || groups[other] !== -1) continue;
          groups[other] = count;
          waiting.push(other);
        }
    }
    count++;
  }
  return groups;
}

/** Where something covered borders on something that is not; edges that continue one another are one. */
function edgesOf(
  covered: Uint8Array,
  columns: number,
  rows: number,
  xs: readonly number[],
  ys: readonly number[],
): Edge[] {
  const at = (row: number, column: number) =>
    row < 0 || row >= rows || column < 0 || column >= columns ? 0 : (covered[row * columns + column] ?? 0);
  const edges: Edge[] = [];
  for (let row = 0; row <= rows; row++) {
    let from = -1;
    for (let column = 0; column <= columns; column++) {
      const border = column < columns && at(row - 1, column) !== at(row, column);
      if (border && from < 0) from = column;
      if (border || from < 0) continue;
      const y = ys[row] ?? 0;
      edges.push({ x1: xs[from] ?? 0, y1: y, x2: xs[column] ?? 0, y2: y });
      from = -1;
    }
  }
  for (let column = 0; column <= columns; column++) {
    let from = -1;
    for (let row = 0; row <= rows; row++) {
      const border = row < rows && at(row, column - 1) !== at(row, column);
      if (border && from < 0) from = row;
      if (border || from < 0) continue;
      const x = xs[column] ?? 0;
      edges.push({ x1: x, y1: ys[from] ?? 0, x2: x, y2: ys[row] ?? 0 });
      from = -1;
    }
  }
  return edges;
}
