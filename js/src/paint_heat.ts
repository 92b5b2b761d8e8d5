// Draws the heat map: cells through ImageData, numbers where they fit, and the crosshair.
import { h } from "./dom";
import { formatWeight } from "./format";
import { weightShade } from "./scales";
import type { Scene } from "./scene";
import type { Theme } from "./theme";

export interface Cell {
  width: number;
  height: number;
}

/** From this size on, cells carry their numbers. */
const WITH_NUMBER: Cell = { width: 34, height: 16 };

export function drawHeat(
  context: CanvasRenderingContext2D,
  scene: Scene,
  theme: Theme,
  cell: Cell,
  font: string,
): void {
  const columns = scene.source.labels.length;
  const rows = scene.target.labels.length;
  const image = new ImageData(columns, rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) {
    const shade = weightShade(scene.aggregate[i] ?? 0, scene.top);
    pixels[i] = theme.ramp.pixels[Math.min(255, Math.round(shade * 255))] ?? 0;
  }
  const small = h("canvas");
  small.width = columns;
  small.height = rows;
  small.getContext("2d")?.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, cell.width * columns, cell.height * rows);
  if (cell.width < WITH_NUMBER.width || cell.height < WITH_NUMBER.height) return;

  context.font = font.replace(/[\d.]+px/, "10px");
  context.textAlign = "center";
  context.textBaseline = "middle";
  scene.aggregate.forEach((weight, i) => {
    const x = ((i % columns) + 0.5) * cell.width;
    const y = (Math.floor(i / columns) + 0.5) * cell.height;
    context.fillStyle = theme.ramp.ink(weightShade(weight, scene.top));
    context.fillText(formatWeight(weight, false), x, y);
  });
}

/** Outlines a cell, its row and its column; a wash would change the colours to be compared. */
export function drawCross(
  context: CanvasRenderingContext2D,
  [row, column]: readonly [number, number],
  cell: Cell,
  size: { rows: number; columns: number },
  colour: string,
): void {
  const [x, y] = [column * cell.width, row * cell.height];
  context.strokeStyle = colour;
  context.globalAlpha = 0.55;
  context.lineWidth = 1;
  context.strokeRect(-1, y - 0.5, size.columns * cell.width + 2, cell.height + 1);
  context.strokeRect(x - 0.5, -1, cell.width + 1, size.rows * cell.height + 2);
  context.globalAlpha = 1;
  context.lineWidth = 2;
  // A frame of less than six pixels could not be seen.
  const grow = Math.max(0, (6 - Math.min(cell.width, cell.height)) / 2);
  const inset = 0.75 - grow;
  context.strokeRect(x + inset, y + inset, cell.width - 2 * inset, cell.height - 2 * inset);
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
