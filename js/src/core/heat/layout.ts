// Geometry of a heat map: margins, cell sizes, which cells a window shows and which labels fit.
import type { AxisKind } from "../contract";

export interface Cell {
  width: number;
  height: number;
}

export interface HeatLayout {
  rows: number;
  columns: number;
  cell: Cell;
  margin: { left: number; top: number };
  width: number;
  height: number;
}

/** The space for a map: it fits into `width` where it can, and stays below `height`. */
export interface HeatSpace {
  width: number;
  height: number;
  leftLabels: number;
  topLabels: number;
  /** The narrowest column, in pixels: 1 where it is left out, so that none is lost. */
  narrowest?: number;
  /** The most rows of a map that stands beside this one: the rows of both are equally high. */
  rowsBeside?: number;
}

const LARGEST_CELL: Cell = { width: 64, height: 40 };
/** Cells of a map that is enlarged for reading: every row and column has its label. */
const READABLE: Cell = { width: 26, height: 18 };
export const LABEL_PITCH = 15;
/** The borders of a map, left and right. */
const FRAME = 2;
/** Half a label's height: how close its center may come to the edge. */
export const LABEL_EDGE = 6;
/** From this size on, cells carry their numbers. */
export const WITH_NUMBER: Cell = { width: 34, height: 16 };

export function heatLayout(rows: number, columns: number, space: HeatSpace, enlarged: boolean): HeatLayout {
  const margin = { left: space.leftLabels, top: space.topLabels };
  const fitting = (length: number, count: number, largest: number, least = 1) => {
    const size = Math.max(least, Math.min(largest, length / Math.max(1, count)));
    // Whole pixels, where they fit, keep the cells equally wide.
    return size > 4 ? Math.floor(size) : size;
  };
  const cell = {
    width: fitting(space.width - margin.left - 2, columns, LARGEST_CELL.width, space.narrowest),
    height: fitting(space.height - margin.top, Math.max(rows, space.rowsBeside ?? 0), LARGEST_CELL.height),
  };
  if (enlarged) {
    cell.width = Math.max(cell.width, READABLE.width);
    cell.height = Math.max(cell.height, READABLE.height);
  }
  return {
    rows,
    columns,
    cell,
    margin,
    width: margin.left + cell.width * columns,
    height: margin.top + cell.height * rows,
  };
}

/** The narrowest column of a source: the hundreds of positions of a sound are seen as a whole. */
export function narrowestColumn(kinds: readonly AxisKind[]): number {
  return kinds.includes("audio") ? 0.1 : 1;
}

/** The width at which every column has room for its label, including the borders and margins of the map. */
export function labeledWidth(columns: number): number {
  return 2 + FRAME + columns * LABEL_PITCH;
}

/** Whether enlarging would make anything larger. */
export function canEnlarge(layout: HeatLayout): boolean {
  return layout.cell.width < READABLE.width || layout.cell.height < READABLE.height;
}

/** The cells [from, to) that a window of `size` pixels at `scroll` shows. */
export function visibleRange(
  scroll: number,
  size: number,
  cell: number,
  count: number,
): [from: number, to: number] {
  const from = Math.max(0, Math.min(count, Math.floor(scroll / cell)));
  return [from, Math.max(from, Math.min(count, Math.ceil((scroll + size) / cell)))];
}

/** The labels in [from, to) that fit without touching; those of the outermost thin cells would stick out. */
export function shownLabels(count: number, slot: number, from: number, to: number): number[] {
  const step = labelStep(slot, LABEL_PITCH);
  const first = Math.max(0, Math.ceil(LABEL_EDGE / slot - 0.5));
  const shown: number[] = [];
  const start = first + Math.max(0, Math.ceil((from - first) / step)) * step;
  for (let i = start; i < Math.min(to, count - first); i += step) shown.push(i);
  if (shown.length === 0 && count > 0 && from === 0) shown.push(Math.min(count - 1, count >> 1));
  return shown;
}

/** How far to scroll so that a cell lies inside the window behind the labels. */
export function scrollTo(scroll: number, length: number, start: number, size: number): number {
  if (start < scroll) return start;
  return start + size > scroll + length ? start + size - length : scroll;
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

/** Every `step`-th label of an axis fits when slots are `slot` pixels and a label needs `needed`. */
export function labelStep(slot: number, needed: number): number {
  return slot >= needed ? 1 : Math.ceil(needed / Math.max(slot, 0.01));
}
