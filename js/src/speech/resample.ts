// Pictures at the resolution of the screen: what falls into each column of pixels of the shown part of the axis.
import type { CellPicture, Point, Surface } from "../core/surface";
import { lengthOf, type Span } from "./timeline";

/** Pixels of the screen for one of the picture. */
export type Density = number;

/** For each column of pixels the range [from, to) of positions in it; empty where there is none. */
export interface Columns {
  from: Int32Array;
  to: Int32Array;
}

/** `places` are in order; a pixel that lies inside a position belongs to it. */
export function columnsOf(places: readonly Span[], span: Span, pixels: number): Columns {
  const from = new Int32Array(pixels);
  const to = new Int32Array(pixels);
  const step = lengthOf(span) / pixels;
  let first = 0;
  for (let x = 0; x < pixels; x++) {
    const [start, end] = [span.start + x * step, span.start + (x + 1) * step];
    while (first < places.length && (places[first]?.end ?? 0) <= start) first++;
    let last = first;
    while (last < places.length && (places[last]?.start ?? 0) < end) last++;
    from[x] = first;
    to[x] = last;
  }
  return { from, to };
}

/** The columns of evenly spaced frames over `seconds`. */
export function frameColumns(frames: number, seconds: number, span: Span, pixels: number): Columns {
  const from = new Int32Array(pixels);
  const to = new Int32Array(pixels);
  const perSecond = frames / Math.max(seconds, 1e-9);
  const step = lengthOf(span) / pixels;
  for (let x = 0; x < pixels; x++) {
    const first = Math.floor((span.start + x * step) * perSecond);
    const last = Math.max(first + 1, Math.floor((span.start + (x + 1) * step) * perSecond));
    from[x] = Math.max(0, Math.min(frames, first));
    to[x] = Math.max(0, Math.min(frames, last));
  }
  return { from, to };
}

/** The largest value in each column of pixels of one row, so that no peak is lost; 0 in empty ones. */
export function peaksOf(
  values: Float32Array,
  start: number,
  { from, to }: Columns,
  into: Float32Array,
): void {
  for (let x = 0; x < into.length; x++) {
    let peak = 0;
    for (let i = from[x] as number; i < (to[x] as number); i++) {
      const value = values[start + i] as number;
      if (value > peak) peak = value;
    }
    into[x] = peak;
  }
}

/** Rows of weights as a picture: on a square-root scale, or with `linear` on a linear one. */
export function weightsPicture(
  values: Float32Array,
  rows: number,
  width: number,
  columns: Columns,
  top: number,
  linear: boolean,
  ramp: Uint32Array,
): CellPicture {
  const count = columns.from.length;
  const pixels = new Uint32Array(rows * count);
  const peaks = new Float32Array(count);
  for (let row = 0; row < rows; row++) {
    peaksOf(values, row * width, columns, peaks);
    for (let x = 0; x < count; x++) {
      const share = top > 0 ? (peaks[x] as number) / top : 0;
      const byte = Math.round(255 * Math.min(1, linear ? share : Math.sqrt(share)));
      pixels[row * count + x] = ramp[byte] as number;
    }
  }
  return { pixels, rows, columns: count };
}

/** The mean of [bins, frames] gray values in each column of pixels, colored. */
export function grayPicture(
  gray: Uint8Array,
  bins: number,
  frames: number,
  columns: Columns,
  ramp: Uint32Array,
): CellPicture {
  const count = columns.from.length;
  const pixels = new Uint32Array(bins * count);
  for (let bin = 0; bin < bins; bin++)
    for (let x = 0; x < count; x++) {
      const [from, to] = [columns.from[x] as number, columns.to[x] as number];
      if (to <= from) continue;
      let sum = 0;
      for (let i = from; i < to; i++) sum += gray[bin * frames + i] as number;
      pixels[bin * count + x] = ramp[Math.round(sum / (to - from))] as number;
    }
  return { pixels, rows: bins, columns: count };
}

/** Stretches a picture over a box. */
export function drawPicture(
  surface: Surface,
  picture: CellPicture,
  origin: Point,
  width: number,
  height: number,
): void {
  const { rows, columns } = picture;
  surface.inside({ ...origin, width, height }, origin, () =>
    surface.cells(
      picture,
      { left: 0, right: columns, top: 0, bottom: rows },
      { width: width / columns, height: height / rows },
    ),
  );
}
