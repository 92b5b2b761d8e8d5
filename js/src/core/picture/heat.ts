// Draws the weights of patches as colors over a picture: each patch of one color, the more opaque the more weight.
import { PALETTE } from "../palette";
import { makeDiverging, makeOverlay, parseColor, type Ramp, weightShade } from "../scales";
import type { Box, Surface } from "../surface";
import type { Rect } from "./patches";

/** Patches of about the same weight are drawn together. */
const LEVELS = 64;
const STOPS = 8;
/** Colors of differences begin so far from the middle of their scale, whose color is that of paper. */
const PALEST = 0.4;
const backgroundOf = (dark: boolean) =>
  parseColor(PALETTE.theme[dark ? "dark" : "light"].background) ?? [0, 0, 0];
const diverging = {
  light: makeDiverging(backgroundOf(false), false),
  dark: makeDiverging(backgroundOf(true), true),
};
const ramps = { light: makeOverlay(false), dark: makeOverlay(true) };

/** The colors to lay over a light or a dark picture. */
export function overlayRamp(onDark: boolean): Ramp {
  return ramps[onDark ? "dark" : "light"];
}

/** The same colors as they look on white or on dark paper, for a legend: small weights cover little. */
export function overlayGradient(onDark: boolean, opacity: number): string {
  const paper = backgroundOf(onDark);
  const { colors } = overlayRamp(onDark);
  const stops = Array.from({ length: STOPS + 1 }, (_, i) => {
    const shade = i / STOPS;
    const color = colors[Math.round(255 * shade)] ?? paper;
    const mixed = paper.map((channel, k) => channel + opacity * shade * ((color[k] ?? 0) - channel));
    return `rgb(${mixed.map(Math.round).join(" ")})`;
  });
  return `linear-gradient(to right, ${stops.join(", ")})`;
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

type BoxOf = (rect: Rect) => Box | null;

/** The colors of differences over a light or a dark picture. */
export function differenceRamp(onDark: boolean): Ramp {
  return diverging[onDark ? "dark" : "light"];
}

/** `boxOf` says where a patch lies on the surface, null where it is out of sight. */
export function paintPatches(surface: Surface, heat: Heat, boxOf: BoxOf): void {
  const ramp = overlayRamp(heat.onDark);
  paintLevels(surface, heat, 1, ramp.css, boxOf);
}

/** The same for differences: values below 0 have colors of their own. */
export function paintDifferences(surface: Surface, heat: Heat, boxOf: BoxOf): void {
  const ramp = differenceRamp(heat.onDark);
  for (const sign of [1, -1]) {
    const color = (shade: number) => ramp.css(0.5 + (sign / 2) * (PALEST + (1 - PALEST) * shade));
    paintLevels(surface, heat, sign, color, boxOf);
  }
}

/** Draws the values of one sign. */
function paintLevels(
  surface: Surface,
  { rects, values, top, least, opacity }: Heat,
  sign: number,
  colorOf: (shade: number) => string,
  boxOf: BoxOf,
): void {
  const levels: number[][] = Array.from({ length: LEVELS + 1 }, () => []);
  for (let patch = 0; patch < rects.length; patch++) {
    const value = sign * (values[patch] as number);
    if (!(value > 0) || value < least) continue;
    levels[Math.min(LEVELS, Math.round(LEVELS * weightShade(value, top)))]?.push(patch);
  }
  for (let level = 1; level <= LEVELS; level++) {
    const shade = level / LEVELS;
    const color = colorOf(shade);
    for (const patch of levels[level] as number[]) {
      const box = boxOf(rects[patch] as Rect);
      if (box) surface.fill(box, color, opacity * shade);
    }
  }
}
