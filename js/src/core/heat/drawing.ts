// A heat map as a drawing: rectangles and numbers where there are few cells, one picture behind the labels where many.

import { type Drawing, label, type Style, tag } from "../markup";
import type { Units } from "../units";
import { type CellMark, type HeatCells, heatImage } from "./paint";

/** Beyond this many cells the map is a picture: as many rectangles would choke a drawing program. */
const MOST_CELLS = 10_000;
const LONGEST_LABEL = 140;

export function drawHeat(
  source: Units,
  target: Units,
  cells: HeatCells,
  marks: readonly CellMark[],
  style: Style,
): Drawing {
  const [rows, columns] = [target.labels.length, source.labels.length];
  const small = Math.max(rows, columns) <= 40;
  const [wide, high] = small ? [34, 20] : [14, 14];
  const longest = (labels: readonly string[]) =>
    Math.min(
      LONGEST_LABEL,
      labels.reduce((most, text) => Math.max(most, style.measure(text)), 0),
    ) + 8;
  const [left, top] = [longest(target.labels), longest(source.labels)];
  let body = "";
  if (rows * columns <= MOST_CELLS)
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        const index = row * columns + column;
        const [x, y] = [left + column * wide, top + row * high];
        body += tag("rect", { x, y, width: wide, height: high, fill: colorOf(cells.pixels[index] ?? 0) });
        if (small)
          body += label(cells.text(index), {
            x: x + wide / 2,
            y: y + high / 2 + 3.5,
            "text-anchor": "middle",
            "font-size": 10,
            fill: cells.ink(index),
          });
      }
  else
    body += tag("image", {
      x: left,
      y: top,
      width: columns * wide,
      height: rows * high,
      preserveAspectRatio: "none",
      style: "image-rendering:pixelated",
      href: heatImage(cells.pixels, rows, columns).toDataURL("image/png"),
    });
  body += tag("rect", {
    x: left,
    y: top,
    width: columns * wide,
    height: rows * high,
    fill: "none",
    stroke: style.theme.muted,
    "stroke-width": 0.5,
  });
  for (const { row, column, sure } of marks)
    body += tag("rect", {
      x: left + column * wide + 1,
      y: top + row * high + 1,
      width: wide - 2,
      height: high - 2,
      fill: "none",
      stroke: style.theme.mark,
      "stroke-width": 1.5,
      "stroke-dasharray": sure ? "none" : "3 2",
    });
  const size = small ? 12 : 10;
  target.labels.forEach((text, row) => {
    body += label(text, {
      x: left - 6,
      y: top + (row + 0.5) * high + 4,
      "text-anchor": "end",
      "font-size": size,
    });
  });
  source.labels.forEach((text, column) => {
    const x = left + (column + 0.5) * wide + 4;
    body += label(text, { transform: `translate(${x} ${top - 5}) rotate(-90)`, "font-size": size });
  });
  return { width: left + columns * wide, height: top + rows * high, body };
}

/** A pixel of an ImageData as a color: its bytes are red, green and blue in that order on every common machine. */
function colorOf(pixel: number): string {
  const bytes = new Uint8Array(Uint32Array.of(pixel).buffer);
  return `#${[0, 1, 2].map((i) => (bytes[i] ?? 0).toString(16).padStart(2, "0")).join("")}`;
}
