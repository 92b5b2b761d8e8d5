// Draws the visible window of a heat map on any surface: cells, numbers where they fit, labels and the crosshair.
import type { Side } from "../contract";
import { tokenText } from "../format";
import type { Box, CellPicture, CellRange, Surface } from "../surface";
import type { Theme } from "../theme";
import type { Units } from "../units";
import { type HeatLayout, LABEL_EDGE, LABEL_PITCH, shownLabels, visibleRange, WITH_NUMBER } from "./layout";

/** What is drawn in the cells of a map, [target, source]. */
export interface HeatCells {
  /** One color per cell, as pixels of an ImageData. */
  pixels: Uint32Array;
  text(index: number): string;
  ink(index: number): string;
}

/** Cells to outline: the links of a reference alignment. */
export interface CellMark {
  row: number;
  column: number;
  sure: boolean;
}

/** A pinned row or column. */
export interface HeatPin {
  side: Side;
  unit: number;
}

/** The part of a map that is seen; its size includes the labels. */
export interface HeatWindow {
  scrollLeft: number;
  scrollTop: number;
  width: number;
  height: number;
}

/** What a map shows, wherever it is drawn. */
export interface HeatContent {
  source: Units;
  target: Units;
  cells: HeatCells;
  marks: readonly CellMark[];
  pin: HeatPin | null;
  /** Whether labels of special tokens are faint. */
  fade: boolean;
  theme: Theme;
}

const NUMBER_SIZE = 10;

export function paintHeat(
  surface: Surface,
  content: HeatContent,
  layout: HeatLayout,
  view: HeatWindow,
): void {
  insideMap(surface, layout, view, () => {
    const { rows, columns, cell } = layout;
    const picture: CellPicture = { pixels: content.cells.pixels, rows, columns };
    const range = visibleCells(layout, view);
    surface.cells(picture, range, cell);
    if (cell.width >= WITH_NUMBER.width && cell.height >= WITH_NUMBER.height)
      paintNumbers(surface, content.cells, layout, range);
    paintMarks(surface, content, layout);
    if (content.pin) paintPin(surface, content.pin, layout, content.theme);
  });
  paintLabels(surface, content, layout, view, null);
}

function visibleCells({ cell, margin, rows, columns }: HeatLayout, view: HeatWindow): CellRange {
  const [left, right] = visibleRange(view.scrollLeft, view.width - margin.left, cell.width, columns);
  const [top, bottom] = visibleRange(view.scrollTop, view.height - margin.top, cell.height, rows);
  return { left, right, top, bottom };
}

/** Moves the origin to the first cell, scrolled, and keeps the drawing off the labels. */
function insideMap(surface: Surface, { margin }: HeatLayout, view: HeatWindow, draw: () => void): void {
  surface.inside(
    { x: margin.left, y: margin.top, width: view.width - margin.left, height: view.height - margin.top },
    { x: margin.left - view.scrollLeft, y: margin.top - view.scrollTop },
    draw,
  );
}

function paintNumbers(
  surface: Surface,
  cells: HeatCells,
  { cell, columns }: HeatLayout,
  range: CellRange,
): void {
  for (let row = range.top; row < range.bottom; row++)
    for (let column = range.left; column < range.right; column++) {
      const index = row * columns + column;
      const center = { x: (column + 0.5) * cell.width, y: (row + 0.5) * cell.height };
      surface.text(cells.text(index), center, {
        color: cells.ink(index),
        size: NUMBER_SIZE,
        align: "center",
      });
    }
}

/** Sure links have a full frame, possible ones a dashed one. */
function paintMarks(surface: Surface, { marks, theme }: HeatContent, { cell }: HeatLayout): void {
  for (const { row, column, sure } of marks)
    surface.frame(cellFrame(cell, row, column, 1.25, 5), {
      color: theme.mark,
      width: 1.5,
      dash: sure ? [] : [3, 2],
    });
}

/** A frame inside a cell; around one that is smaller than `least`, which could not be seen. */
function cellFrame(cell: HeatLayout["cell"], row: number, column: number, inset: number, least: number): Box {
  const inside = inset - Math.max(0, (least - Math.min(cell.width, cell.height)) / 2);
  return {
    x: column * cell.width + inside,
    y: row * cell.height + inside,
    width: cell.width - 2 * inside,
    height: cell.height - 2 * inside,
  };
}

function paintPin(surface: Surface, pin: HeatPin, { cell, rows, columns }: HeatLayout, theme: Theme): void {
  const [width, height] = [columns * cell.width - 2, rows * cell.height - 2];
  surface.frame(
    pin.side === "target"
      ? { x: 1, y: pin.unit * cell.height, width, height: Math.max(2, cell.height) }
      : { x: pin.unit * cell.width, y: 1, width: Math.max(2, cell.width), height },
    { color: theme.accent, width: 2 },
  );
}

type Chosen = readonly [row: number, column: number];

/** Labels of both sides; those of a chosen cell are bold, and their neighbors give way. */
function paintLabels(
  surface: Surface,
  content: HeatContent,
  layout: HeatLayout,
  view: HeatWindow,
  chosen: Chosen | null,
): void {
  const { cell, rows, columns } = layout;
  const { left, right, top, bottom } = visibleCells(layout, view);
  const [row, column] = chosen ?? [-1, -1];
  const isClear = (index: number, other: number, slot: number) =>
    other < 0 || Math.abs(index - other) * slot >= LABEL_PITCH;
  const paint = (side: Side, index: number, bold: boolean) =>
    paintLabel(surface, content, layout, view, side, index, bold);
  for (const index of shownLabels(columns, cell.width, left, right))
    if (isClear(index, column, cell.width)) paint("source", index, false);
  for (const index of shownLabels(rows, cell.height, top, bottom))
    if (isClear(index, row, cell.height)) paint("target", index, false);
  if (!chosen) return;
  paint("target", row, true);
  paint("source", column, true);
}

function paintLabel(
  surface: Surface,
  content: HeatContent,
  layout: HeatLayout,
  view: HeatWindow,
  side: Side,
  index: number,
  bold: boolean,
): void {
  const { cell, margin } = layout;
  const [slot, count, scroll, gutter, size] =
    side === "source"
      ? [cell.width, layout.columns, view.scrollLeft, margin.left, view.width]
      : [cell.height, layout.rows, view.scrollTop, margin.top, view.height];
  const center = gutter - scroll + clamp((index + 0.5) * slot, LABEL_EDGE, slot * count - LABEL_EDGE);
  // A label half under the corner or the edge would be cut.
  if (center < gutter + LABEL_EDGE - 1 || center > size - LABEL_EDGE + 1) return;
  const units = content[side];
  const length = (side === "source" ? margin.top : margin.left) - 8;
  surface.text(
    shorten(surface, tokenText(units.labels[index] ?? ""), length, bold),
    side === "source" ? { x: center, y: margin.top - 5 } : { x: margin.left - 6, y: center },
    {
      color: bold ? content.theme.foreground : content.theme.muted,
      bold,
      opacity: !bold && content.fade && units.special[index] ? 0.75 : 1,
      ...(side === "source" ? { turned: true } : { align: "right" }),
    },
  );
}

/** Outlines a cell, its row and its column, and writes their labels over the ones that are there. */
export function paintCross(
  surface: Surface,
  content: HeatContent,
  layout: HeatLayout,
  view: HeatWindow,
  chosen: Chosen,
): void {
  const { cell, margin } = layout;
  const [row, column] = chosen;
  const { theme } = content;
  const thin = { color: theme.foreground, width: 1, opacity: 0.55 };
  insideMap(surface, layout, view, () => {
    const [x, y] = [column * cell.width, row * cell.height];
    surface.frame(
      { x: -1, y: y - 0.5, width: layout.columns * cell.width + 2, height: cell.height + 1 },
      thin,
    );
    surface.frame({ x: x - 0.5, y: -1, width: cell.width + 1, height: layout.rows * cell.height + 2 }, thin);
    surface.frame(cellFrame(cell, row, column, 0.75, 6), { color: theme.foreground, width: 2 });
  });
  surface.fill({ x: 0, y: 0, width: view.width, height: margin.top }, theme.paper);
  surface.fill({ x: 0, y: 0, width: margin.left, height: view.height }, theme.paper);
  paintLabels(surface, content, layout, view, chosen);
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}

/** Cuts a label to a length; a guess by proportion comes first, because labels may be long. */
function shorten(surface: Surface, label: string, length: number, bold: boolean): string {
  const width = surface.measure(label, { bold });
  if (width <= length) return label;
  const points = Array.from(label);
  let keep = Math.max(1, Math.floor((points.length * length) / width));
  while (keep > 1 && surface.measure(`${points.slice(0, keep).join("")}…`, { bold }) > length) keep--;
  return `${points.slice(0, keep).join("")}…`;
}
