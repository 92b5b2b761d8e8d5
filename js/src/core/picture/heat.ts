// Draws the weights of patches as colors over a picture: each patch of one color, the more opaque the more weight.
import { makeOverlay, type Ramp, weightShade } from "../scales";
import type { Box, Surface } from "../surface";
import type { Rect } from "./patches";

/** Patches of about the same weight are drawn together. */
const LEVELS = 64;
const ramps = { light: makeOverlay(false), dark: makeOverlay(true) };

/** The colors to lay over a light or a dark picture. */
export function overlayRamp(onDark: boolean): Ramp {
  return ramps[onDark ? "dark" : "light"];
}

export interface Heat {
  rects: readonly Rect[];
  /** The weight of each patch. */
  values: Float32Array;
  /** The weight of the strongest color. */
  top: number;
  /** Smaller weights are not drawn. */
  least: number;
  /** How much the strongest color covers, from 0 to 1. */
  opacity: number;
  onDark: boolean;
}

/** `boxOf` says where a patch lies on the surface, null where it is out of sight. */
export function paintPatches(surface: Surface, heat: Heat, boxOf: (rect: Rect) => Box | null): void {
  const { rects, values, top, least, opacity, onDark } = heat;
  const ramp = overlayRamp(onDark);
  const levels: number[][] = Array.from({ length: LEVELS + 1 }, () => []);
  for (let patch = 0; patch < rects.length; patch++) {
    const value = values[patch] as number;
    if (!(value > 0) || value < least) continue;
    levels[Math.min(LEVELS, Math.round(LEVELS * weightShade(value, top)))]?.push(patch);
  }
  for (let level = 1; level <= LEVELS; level++) {
    const shade = level / LEVELS;
    const color = ramp.css(shade);
    for (const patch of levels[level] as number[]) {
      const box = boxOf(rects[patch] as Rect);
      if (box) surface.fill(box, color, opacity * shade);
    }
  }
}
