// A whole picture with the weights of its patches, in a box of the same proportions.
import type { Box, Surface } from "../surface";
import type { Picture, Size } from "./file";
import { paintDifferences, paintPatches } from "./heat";
import type { Patches, Rect } from "./patches";

export interface Whole {
  picture: Picture | null;
  patches: Patches;
  /** The weight of each patch, or a difference. */
  values: Float32Array;
  kind: "weights" | "differences";
  /** The weight, or the absolute difference, of the strongest color. */
  top: number;
  opacity: number;
  /** Whether what is drawn over it has to be bright. */
  onDark: boolean;
}

export function paintWhole(surface: Surface, { width, height }: Size, whole: Whole): void {
  const { picture, patches, values, kind, top, opacity, onDark } = whole;
  if (picture) surface.picture(picture.canvas, { x: 0, y: 0, width, height }, true);
  const paint = kind === "weights" ? paintPatches : paintDifferences;
  const heat = { rects: patches.rects, values, top, least: 0, opacity, onDark };
  paint(surface, heat, (rect) => boxIn({ width, height }, patches.size, rect));
}

/** Where a patch lies in the box, on whole pixels, so that patches meet without a seam. */
export function boxIn(box: Size, size: Size, { left, top, right, bottom }: Rect): Box {
  const [across, down] = [box.width / size.width, box.height / size.height];
  const [x, y] = [Math.round(left * across), Math.round(top * down)];
  return { x, y, width: Math.round(right * across) - x, height: Math.round(bottom * down) - y };
}
