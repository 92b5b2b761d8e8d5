// Which part of the picture is shown, and where its pixels are on the screen.
import type { Size } from "../core/picture/file";
import type { Rect } from "../core/picture/patches";
import type { Box } from "../core/surface";

/** The shown part: how much larger than the whole, and its middle in pixels of the picture. */
export interface Zoom {
  factor: number;
  x: number;
  y: number;
}

/** How the picture lies on the screen: pixels of the screen for one of the picture, and where its corner is. */
export interface Viewport extends Size {
  scale: number;
  left: number;
  top: number;
}

const TALLEST = 560;
const LOWEST = 48;
/** A small picture is enlarged up to so many times, or until its longer side has so many pixels. */
const ENLARGED = 4;
const LEAST = 240;
export const MOST_ZOOM = 32;

export const WHOLE: Zoom = { factor: 1, x: 0, y: 0 };

/** How many times its size the whole picture is drawn in this width. */
export function fittingScale(size: Size, width: number, tallest = TALLEST): number {
  const most = Math.max(ENLARGED, LEAST / Math.max(size.width, size.height));
  return Math.min(width / size.width, tallest / size.height, most);
}

/** The place of the picture in a box of this width, as high as the whole picture needs. */
export function viewportOf(size: Size, width: number, zoom: Zoom): Viewport {
  const fitting = fittingScale(size, width);
  const height = Math.max(LOWEST, Math.ceil(size.height * fitting));
  const scale = fitting * zoom.factor;
  const place = (length: number, space: number, middle: number) => {
    const drawn = length * scale;
    // What is smaller than the box is in its middle; what is larger leaves no gap.
    if (drawn <= space) return (space - drawn) / 2;
    return Math.min(0, Math.max(space - drawn, space / 2 - middle * scale));
  };
  return {
    width,
    height,
    scale,
    left: place(size.width, width, zoom.x),
    top: place(size.height, height, zoom.y),
  };
}

/** Shows `1 / factor` as much, with the point (x, y) of the screen staying where it is. */
export function zoomAt(view: Viewport, size: Size, zoom: Zoom, factor: number, x: number, y: number): Zoom {
  const next = Math.max(1, Math.min(MOST_ZOOM, zoom.factor * factor));
  if (next === 1) return WHOLE;
  const by = next / zoom.factor;
  const [pointX, pointY] = pixelAt(view, x, y);
  const scale = view.scale * by;
  return clamped(view, size, {
    factor: next,
    x: pointX + (view.width / 2 - x) / scale,
    y: pointY + (view.height / 2 - y) / scale,
  });
}

/** Moves the shown part by so many pixels of the screen. */
export function panned(view: Viewport, size: Size, zoom: Zoom, dx: number, dy: number): Zoom {
  if (zoom.factor === 1) return zoom;
  const [x, y] = pixelAt(view, view.width / 2 + dx, view.height / 2 + dy);
  return clamped(view, size, { factor: zoom.factor, x, y });
}

/** The shown part moved, if it has to be, so that a rectangle is in sight. */
export function withInSight(view: Viewport, size: Size, zoom: Zoom, rect: Rect): Zoom {
  if (zoom.factor === 1) return zoom;
  const { x, y, width, height } = boxOf(view, rect);
  const [dx, dy] = [beyond(x, x + width, view.width), beyond(y, y + height, view.height)];
  return dx === 0 && dy === 0 ? zoom : panned(view, size, zoom, dx, dy);
}

/** How far [from, to] has to move to be inside [0, length]. */
function beyond(from: number, to: number, length: number): number {
  if (from < 0) return from - Math.min(20, length / 4);
  return to > length ? to - length + Math.min(20, length / 4) : 0;
}

/** The middle kept where the shown part is inside the picture, so that moving back has an effect at once. */
function clamped(view: Viewport, size: Size, zoom: Zoom): Zoom {
  const scale = fittingScale(size, view.width) * zoom.factor;
  const inside = (value: number, length: number, space: number) => {
    const half = space / scale / 2;
    return length <= 2 * half ? length / 2 : Math.max(half, Math.min(length - half, value));
  };
  return {
    factor: zoom.factor,
    x: inside(zoom.x, size.width, view.width),
    y: inside(zoom.y, size.height, view.height),
  };
}

/** The pixel of the picture at a point of the screen. */
export function pixelAt({ left, top, scale }: Viewport, x: number, y: number): [x: number, y: number] {
  return [(x - left) / scale, (y - top) / scale];
}

/** Where a rectangle of the picture is on the screen. */
export function boxOf({ left, top, scale }: Viewport, rect: Rect): Box {
  return {
    x: left + rect.left * scale,
    y: top + rect.top * scale,
    width: (rect.right - rect.left) * scale,
    height: (rect.bottom - rect.top) * scale,
  };
}

/** The same on whole pixels of the screen, so that patches meet without a seam; null where it is out of sight. */
export function sharpBoxOf(view: Viewport, rect: Rect, density: number): Box | null {
  const { left, top, scale, width, height } = view;
  const round = (value: number) => Math.round(value * density) / density;
  const [x1, x2] = [round(left + rect.left * scale), round(left + rect.right * scale)];
  const [y1, y2] = [round(top + rect.top * scale), round(top + rect.bottom * scale)];
  if (x2 <= 0 || y2 <= 0 || x1 >= width || y1 >= height) return null;
  return { x: x1, y: y1, width: x2 - x1, height: y2 - y1 };
}
