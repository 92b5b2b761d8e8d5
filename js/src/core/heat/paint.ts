// Draws the visible window of a heat map: cells through ImageData, numbers where they fit, labels and the crosshair.

import type { Side } from "../contract";
import { h } from "../dom";
import { tokenText } from "../format";
import type { Theme } from "../theme";
import type { Units } from "../units";
import { type HeatLayout, LABEL_EDGE, LABEL_PITCH, shownLabels, visibleRange, WITH_NUMBER } from "./layout";

/** What is drawn in the cells of a map, [target, source]. */
export interface HeatCells {
  /** One color a cell, as pixels of an ImageData. */
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

export interface HeatWindow {
  scrollLeft: number;
  scrollTop: number;
  /** Size of the window, labels included. */
  width: number;
  height: number;
}

/** The whole map at one pixel a cell, to be drawn enlarged. */
export function heatImage(pixels: Uint32Array, rows: number, columns: number): HTMLCanvasElement {
  const image = new ImageData(columns, rows);
  new Uint32Array(image.data.buffer).set(pixels);
  const canvas = h("canvas");
  canvas.width = columns;
  canvas.height = rows;
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  return canvas;
}

export function paintHeat(
  context: CanvasRenderingContext2D,
  image: HTMLCanvasElement,
  layout: HeatLayout,
  view: HeatWindow,
  cells: HeatCells,
  marks: readonly CellMark[],
  pin: HeatPin | null,
  theme: Theme,
  font: string,
): void {
  const { cell, margin, rows, columns } = layout;
  const [left, right] = visibleRange(view.scrollLeft, view.width - margin.left, cell.width, columns);
  const [top, bottom] = visibleRange(view.scrollTop, view.height - margin.top, cell.height, rows);
  context.save();
  inside(context, layout, view);
  context.imageSmoothingEnabled = false;
  const [wide, high] = [right - left, bottom - top];
  if (wide > 0 && high > 0)
    context.drawImage(
      image,
      left,
      top,
      wide,
      high,
      left * cell.width,
      top * cell.height,
      wide * cell.width,
      high * cell.height,
    );
  if (cell.width >= WITH_NUMBER.width && cell.height >= WITH_NUMBER.height) {
    context.font = font.replace(/[\d.]+px/, "10px");
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let row = top; row < bottom; row++)
      for (let column = left; column < right; column++) {
        const index = row * columns + column;
        context.fillStyle = cells.ink(index);
        context.fillText(cells.text(index), (column + 0.5) * cell.width, (row + 0.5) * cell.height);
      }
  }
  paintMarks(context, layout, marks, theme);
  if (pin) paintPin(context, layout, pin, theme);
  context.restore();
}

function paintPin(context: CanvasRenderingContext2D, layout: HeatLayout, pin: HeatPin, theme: Theme): void {
  const { cell, rows, columns } = layout;
  context.strokeStyle = theme.accent;
  context.lineWidth = 2;
  if (pin.side === "target")
    context.strokeRect(1, pin.unit * cell.height, columns * cell.width - 2, Math.max(2, cell.height));
  else context.strokeRect(pin.unit * cell.width, 1, Math.max(2, cell.width), rows * cell.height - 2);
}

/** Moves the origin to the first cell, scrolled, and keeps the drawing off the labels. */
function inside(context: CanvasRenderingContext2D, layout: HeatLayout, view: HeatWindow): void {
  const { margin } = layout;
  context.beginPath();
  context.rect(margin.left, margin.top, view.width - margin.left, view.height - margin.top);
  context.clip();
  context.translate(margin.left - view.scrollLeft, margin.top - view.scrollTop);
}

/** Sure links by a full frame, possible ones by a dashed one; a dark and a light line stand out on every color. */
function paintMarks(
  context: CanvasRenderingContext2D,
  { cell }: HeatLayout,
  marks: readonly CellMark[],
  theme: Theme,
): void {
  for (const { row, column, sure } of marks) {
    const grow = Math.max(0, (5 - Math.min(cell.width, cell.height)) / 2);
    const box = (inset: number) =>
      context.strokeRect(
        column * cell.width + inset - grow,
        row * cell.height + inset - grow,
        cell.width - 2 * inset + 2 * grow,
        cell.height - 2 * inset + 2 * grow,
      );
    context.lineWidth = 1.5;
    context.strokeStyle = theme.mark;
    context.setLineDash(sure ? [] : [3, 2]);
    box(1.25);
  }
  context.setLineDash([]);
}

/** Labels of both sides; those of a chosen cell are bold, and their neighbors give way. */
export function paintLabels(
  context: CanvasRenderingContext2D,
  units: { target: Units; source: Units },
  layout: HeatLayout,
  view: HeatWindow,
  fade: boolean,
  theme: Theme,
  font: string,
  chosen: readonly [number, number] | null = null,
): void {
  const { cell, margin, rows, columns } = layout;
  const [left, right] = visibleRange(view.scrollLeft, view.width - margin.left, cell.width, columns);
  const [top, bottom] = visibleRange(view.scrollTop, view.height - margin.top, cell.height, rows);
  context.font = font;
  const paint = (side: "source" | "target", index: number) => {
    context.globalAlpha = fade && units[side].special[index] ? 0.75 : 1;
    paintLabel(context, side, units[side].labels[index] ?? "", index, layout, view);
  };
  const [row, column] = chosen ?? [-1, -1];
  const clear = (index: number, of: number, slot: number) =>
    of < 0 || Math.abs(index - of) * slot >= LABEL_PITCH;
  context.fillStyle = theme.muted;
  for (const index of shownLabels(columns, cell.width, left, right))
    if (clear(index, column, cell.width)) paint("source", index);
  for (const index of shownLabels(rows, cell.height, top, bottom))
    if (clear(index, row, cell.height)) paint("target", index);
  context.globalAlpha = 1;
  if (!chosen) return;
  context.font = `600 ${font.replace(/^\d{3} /, "")}`;
  context.fillStyle = theme.foreground;
  paintLabel(context, "target", units.target.labels[row] ?? "", row, layout, view);
  paintLabel(context, "source", units.source.labels[column] ?? "", column, layout, view);
}

function paintLabel(
  context: CanvasRenderingContext2D,
  side: "source" | "target",
  label: string,
  index: number,
  layout: HeatLayout,
  view: HeatWindow,
): void {
  const { cell, margin } = layout;
  const [slot, count, scroll, gutter, size] =
    side === "source"
      ? [cell.width, layout.columns, view.scrollLeft, margin.left, view.width]
      : [cell.height, layout.rows, view.scrollTop, margin.top, view.height];
  const center = gutter - scroll + clamp((index + 0.5) * slot, LABEL_EDGE, slot * count - LABEL_EDGE);
  // A label half under the corner or the edge would be cut.
  if (center < gutter + LABEL_EDGE - 1 || center > size - LABEL_EDGE + 1) return;
  context.save();
  context.textBaseline = "middle";
  if (side === "source") {
    context.translate(center, margin.top - 5);
    context.rotate(-Math.PI / 2);
    context.textAlign = "left";
  } else {
    context.translate(margin.left - 6, center);
    context.textAlign = "right";
  }
  const room = (side === "source" ? margin.top : margin.left) - 8;
  context.fillText(shorten(context, tokenText(label), room), 0, 0);
  context.restore();
}

/** Outlines a cell, its row and its column, and writes their labels anew, over the ones that are there. */
export function paintCross(
  context: CanvasRenderingContext2D,
  chosen: readonly [number, number],
  units: { target: Units; source: Units },
  layout: HeatLayout,
  view: HeatWindow,
  fade: boolean,
  theme: Theme,
  font: string,
): void {
  const { cell, margin } = layout;
  const [row, column] = chosen;
  const [x, y] = [column * cell.width, row * cell.height];
  context.save();
  inside(context, layout, view);
  context.strokeStyle = theme.foreground;
  context.globalAlpha = 0.55;
  context.lineWidth = 1;
  context.strokeRect(-1, y - 0.5, layout.columns * cell.width + 2, cell.height + 1);
  context.strokeRect(x - 0.5, -1, cell.width + 1, layout.rows * cell.height + 2);
  context.globalAlpha = 1;
  context.lineWidth = 2;
  // A frame of less than six pixels could not be seen.
  const grow = Math.max(0, (6 - Math.min(cell.width, cell.height)) / 2);
  const inset = 0.75 - grow;
  context.strokeRect(x + inset, y + inset, cell.width - 2 * inset, cell.height - 2 * inset);
  context.restore();
  context.fillStyle = theme.paper;
  context.fillRect(0, 0, view.width, margin.top);
  context.fillRect(0, 0, margin.left, view.height);
  paintLabels(context, units, layout, view, fade, theme, font, chosen);
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}

/** Cuts a label to the room there is; a guess by proportion first, since labels may be long. */
export function shorten(context: CanvasRenderingContext2D, text: string, room: number): string {
  const width = context.measureText(text).width;
  if (width <= room) return text;
  const points = Array.from(text);
  let keep = Math.max(1, Math.floor((points.length * room) / width));
  while (keep > 1 && context.measureText(`${points.slice(0, keep).join("")}…`).width > room) keep--;
  return `${points.slice(0, keep).join("")}…`;
}
