// Where the routines of the views draw: a canvas on the screen, or SVG in a saved file.
import { type Attributes, FONT_SIZE, type Markup, type Style, tag, text as textTag } from "./markup";

export interface Point {
  x: number;
  y: number;
}

export interface Box extends Point {
  width: number;
  height: number;
}

export interface Stroke {
  color: string;
  width: number;
  opacity?: number;
  /** Lengths of dashes and gaps; a solid line if it is empty. */
  dash?: readonly number[];
}

export interface TextStyle {
  color: string;
  /** In pixels; the surface's own by default. */
  size?: number;
  bold?: boolean;
  opacity?: number;
  align?: "left" | "center" | "right";
  /** Written upward. */
  turned?: boolean;
}

/** Adds a cubic curve from the first point to the last. */
export type Curve = (
  x1: number,
  y1: number,
  bend1X: number,
  bend1Y: number,
  bend2X: number,
  bend2Y: number,
  x2: number,
  y2: number,
) => void;

/** A straight line as a curve. */
export function straight(curve: Curve, x1: number, y1: number, x2: number, y2: number): void {
  curve(x1, y1, x1, y1, x2, y2, x2, y2);
}

/** A picture of one pixel per cell, as pixels of an ImageData. */
export interface CellPicture {
  pixels: Uint32Array;
  rows: number;
  columns: number;
}

/** A part of a picture, in cells: [from, to) on both axes. */
export interface CellRange {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export interface Surface {
  /** Draws all curves that `trace` adds in the same way. */
  curves(stroke: Stroke, trace: (curve: Curve) => void): void;
  frame(box: Box, stroke: Stroke): void;
  fill(box: Box, color: string, opacity?: number): void;
  /** Draws a whole picture into a box; unless `smooth`, each of its pixels stays a rectangle. */
  picture(picture: HTMLCanvasElement, box: Box, smooth: boolean): void;
  /** Draws a part of a picture, each cell at its place and `cell` large. */
  cells(picture: CellPicture, range: CellRange, cell: { width: number; height: number }): void;
  /** A text beside or around a point, in the middle of its height. */
  text(content: string, at: Point, style: TextStyle): void;
  measure(content: string, style?: Pick<TextStyle, "size" | "bold">): number;
  /** Gives everything that `draw` draws its origin at `origin`, and shows it only inside `box`. */
  inside(box: Box, origin: Point, draw: () => void): void;
}

export interface Font {
  family: string;
  size: number;
}

const pictures = new WeakMap<Uint32Array, HTMLCanvasElement>();

/** The picture as a canvas; drawn once for the same pixels. */
export function pictureCanvas({ pixels, rows, columns }: CellPicture): HTMLCanvasElement {
  const known = pictures.get(pixels);
  if (known) return known;
  const image = new ImageData(columns, rows);
  new Uint32Array(image.data.buffer).set(pixels);
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  pictures.set(pixels, canvas);
  return canvas;
}

/** `font` is needed for texts only. */
export function canvasSurface(
  context: CanvasRenderingContext2D,
  font: Font = { family: "sans-serif", size: 12 },
): Surface {
  const curve: Curve = (x1, y1, bend1X, bend1Y, bend2X, bend2Y, x2, y2) => {
    context.moveTo(x1, y1);
    context.bezierCurveTo(bend1X, bend1Y, bend2X, bend2Y, x2, y2);
  };
  function use({ color, width, opacity = 1, dash = [] }: Stroke): void {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.globalAlpha = opacity;
    context.setLineDash([...dash]);
  }
  function done(): void {
    context.globalAlpha = 1;
    context.setLineDash([]);
  }
  function useFont({ size = font.size, bold = false }: Pick<TextStyle, "size" | "bold">): void {
    context.font = `${bold ? 600 : 400} ${size}px ${font.family}`;
  }

  return {
    curves(stroke, trace) {
      use(stroke);
      context.beginPath();
      trace(curve);
      context.stroke();
      done();
    },
    frame({ x, y, width, height }, stroke) {
      use(stroke);
      context.strokeRect(x, y, width, height);
      done();
    },
    fill({ x, y, width, height }, color, opacity = 1) {
      context.fillStyle = color;
      context.globalAlpha = opacity;
      context.fillRect(x, y, width, height);
      context.globalAlpha = 1;
    },
    picture(picture, { x, y, width, height }, smooth) {
      context.imageSmoothingEnabled = smooth;
      context.imageSmoothingQuality = "high";
      context.drawImage(picture, x, y, width, height);
    },
    cells(picture, { left, right, top, bottom }, { width, height }) {
      const [wide, high] = [right - left, bottom - top];
      if (wide <= 0 || high <= 0) return;
      // Cells narrower than a pixel are averaged, so that none is left out.
      context.imageSmoothingEnabled = width < 1;
      context.imageSmoothingQuality = "high";
      context.drawImage(
        pictureCanvas(picture),
        ...([left, top, wide, high] as const),
        ...([left * width, top * height, wide * width, high * height] as const),
      );
    },
    text(content, { x, y }, style) {
      useFont(style);
      context.fillStyle = style.color;
      context.globalAlpha = style.opacity ?? 1;
      context.textAlign = style.align ?? "left";
      context.textBaseline = "middle";
      if (style.turned) {
        context.save();
        context.translate(x, y);
        context.rotate(-Math.PI / 2);
        context.fillText(content, 0, 0);
        context.restore();
      } else context.fillText(content, x, y);
      context.globalAlpha = 1;
    },
    measure(content, style = {}) {
      useFont(style);
      return context.measureText(content).width;
    },
    inside({ x, y, width, height }, origin, draw) {
      context.save();
      context.beginPath();
      context.rect(x, y, width, height);
      context.clip();
      context.translate(origin.x, origin.y);
      draw();
      context.restore();
    },
  };
}

/** Beyond this many cells, SVG contains them as one picture: so many rectangles would overwhelm a drawing program. */
const MOST_CELLS = 10_000;
const ANCHORS = { left: "start", center: "middle", right: "end" };

/** Writes SVG; nothing is cut, because a file shows everything. */
export function svgSurface(style: Style): Surface & { markup(): string } {
  let written = "";
  const lines = ({ color, width, opacity = 1, dash }: Stroke) => ({
    stroke: color,
    "stroke-width": width,
    ...(opacity < 1 ? { "stroke-opacity": opacity } : {}),
    ...(dash ? { "stroke-dasharray": dash.length > 0 ? dash.join(" ") : "none" } : {}),
    fill: "none",
  });
  const round = (value: number) => Math.round(value * 10) / 10;

  return {
    markup: () => written,
    curves(stroke, trace) {
      const look = lines(stroke);
      trace((...numbers) => {
        const [x1, y1, ...rest] = numbers.map(round);
        written += tag("path", { d: `M${x1} ${y1}C${rest.join(" ")}`, ...look });
      });
    },
    frame(box, stroke) {
      written += tag("rect", { ...box, ...lines(stroke) });
    },
    fill(box, color, opacity = 1) {
      written += tag("rect", { ...box, fill: color, ...(opacity < 1 ? { "fill-opacity": opacity } : {}) });
    },
    picture(picture, box, smooth) {
      written += tag("image", {
        ...box,
        preserveAspectRatio: "none",
        ...(smooth ? {} : { style: "image-rendering:pixelated" }),
        href: picture.toDataURL("image/png"),
      });
    },
    cells(picture, { left, right, top, bottom }, { width, height }) {
      if (picture.rows * picture.columns > MOST_CELLS) {
        const size = { width: picture.columns * width, height: picture.rows * height };
        const look = { preserveAspectRatio: "none", style: "image-rendering:pixelated" };
        written += tag("image", {
          x: 0,
          y: 0,
          ...size,
          ...look,
          href: pictureCanvas(picture).toDataURL("image/png"),
        });
        return;
      }
      for (let row = top; row < bottom; row++)
        for (let column = left; column < right; column++) {
          const fill = pixelColor(picture.pixels[row * picture.columns + column] ?? 0);
          written += tag("rect", { x: column * width, y: row * height, width, height, fill });
        }
    },
    text(content, { x, y }, { color, size = FONT_SIZE, bold, opacity = 1, align = "left", turned }) {
      // The baseline of a text is a third of its size below its middle.
      const below = size / 3;
      const place: Attributes = turned
        ? { transform: `translate(${round(x + below)} ${round(y)}) rotate(-90)` }
        : { x, y: y + below };
      written += textTag(
        "text",
        {
          ...place,
          fill: color,
          "font-size": size,
          "text-anchor": ANCHORS[align],
          ...(bold ? { "font-weight": 600 } : {}),
          ...(opacity < 1 ? { opacity } : {}),
        },
        content,
      );
    },
    measure: (content, { size = FONT_SIZE } = {}) => (style.measure(content) * size) / FONT_SIZE,
    inside(_box, origin, draw) {
      const outside = written;
      written = "";
      draw();
      written = outside + group(origin, written as Markup);
    },
  };
}

function group({ x, y }: Point, content: Markup): Markup {
  return tag("g", { transform: `translate(${Math.round(x * 10) / 10} ${Math.round(y * 10) / 10})` }, content);
}

/** A pixel of an ImageData as a color: its bytes are red, green and blue in this order on every common machine. */
function pixelColor(pixel: number): string {
  const bytes = new Uint8Array(Uint32Array.of(pixel).buffer);
  return `#${[0, 1, 2].map((i) => (bytes[i] ?? 0).toString(16).padStart(2, "0")).join("")}`;
}
