// Pure geometry of a heat map: margins, cell sizes, which cells a window shows and which labels fit.
import { labelStep } from "../../lines/geometry";

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

/** Room that the map may take: `width` is a limit to fit into, `height` one to stay under. */
export interface HeatRoom {
  width: number;
  height: number;
  leftLabels: number;
  topLabels: number;
}

const LARGEST_CELL: Cell = { width: 64, height: 40 };
/** Cells of a map that is enlarged for reading: every label stands beside its own row and column. */
const READABLE: Cell = { width: 26, height: 18 };
export const LABEL_PITCH = 15;
/** Half a label's height: how near to the edge its center may come. */
export const LABEL_EDGE = 6;
/** From this size on, cells carry their numbers. */
export const WITH_NUMBER: Cell = { width: 34, height: 16 };

export function heatLayout(rows: number, columns: number, room: HeatRoom, enlarged: boolean): HeatLayout {
  const margin = { left: room.leftLabels, top: room.topLabels };
  const fitting = (space: number, count: number, largest: number) => {
    const size = Math.max(1, Math.min(largest, space / Math.max(1, count)));
    // Whole pixels, where there is room for them, keep the cells equally wide.
    return size > 4 ? Math.floor(size) : size;
  };
  const cell = {
    width: fitting(room.width - margin.left - 2, columns, LARGEST_CELL.width),
    height: fitting(room.height - margin.top, rows, LARGEST_CELL.height),
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
export function scrollTo(scroll: number, room: number, start: number, size: number): number {
  if (start < scroll) return start;
  return start + size > scroll + room ? start + size - room : scroll;
}
