// Scales of color: one color per picked head, and maps that start at the panel's background.
import { PALETTE } from "./palette";

export type RGB = readonly [number, number, number];

// Okabe and Ito's colors without black; yellow is darkened on a light background, where it would vanish.
export const MAX_HEAD_COLORS = PALETTE.heads.light.length;

export function headColors(dark: boolean): readonly string[] {
  return dark ? PALETTE.heads.dark : PALETTE.heads.light;
}

export function parseColor(text: string): RGB | null {
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text.trim());
  if (hex) return [1, 2, 3].map((i) => Number.parseInt(hex[i] ?? "0", 16)) as unknown as RGB;
  const rgb = /^rgba?\(\s*([\d.]+)[\s,]+([\d.]+)[\s,]+([\d.]+)/.exec(text);
  if (rgb) return [Number(rgb[1]), Number(rgb[2]), Number(rgb[3])];
  const srgb = /^color\(srgb\s+([\d.e-]+)\s+([\d.e-]+)\s+([\d.e-]+)/.exec(text);
  if (srgb) return [Number(srgb[1]) * 255, Number(srgb[2]) * 255, Number(srgb[3]) * 255];
  return null;
}

function toLinear(channel: number): number {
  const c = channel / 255;
  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
}

function fromLinear(value: number): number {
  const c = value <= 0.0031308 ? value * 12.92 : 1.055 * value ** (1 / 2.4) - 0.055;
  return Math.round(Math.max(0, Math.min(1, c)) * 255);
}

// Mixing in Oklab keeps equal steps of the value equal steps for the eye.
function toOklab([red, green, blue]: RGB): RGB {
  const [r, g, b] = [toLinear(red), toLinear(green), toLinear(blue)];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function fromOklab([light, a, b]: RGB): RGB {
  const l = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (light - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    fromLinear(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    fromLinear(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    fromLinear(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

/** 256 colors; the background is value 0 of a sequential map and the middle of a diverging one. */
export interface Ramp {
  colors: readonly RGB[];
  /** The same colors as pixels of an ImageData, in this machine's byte order. */
  pixels: Uint32Array;
  css(value: number): string;
  /** A color that reads on `css(value)`. */
  ink(value: number): string;
  gradient: string;
}

/** One hue that only darkens (light) or lightens (dark): its order survives color blindness and a gray printer. */
export function makeRamp(background: RGB, dark: boolean): Ramp {
  return through([background, ...PALETTE.sequential[dark ? "dark" : "light"]], background);
}

/** Orange through the background to blue: distinct for every kind of color blindness, with both ends equally far from
 * it. */
export function makeDiverging(background: RGB, dark: boolean): Ramp {
  const { negative, positive } = PALETTE.diverging[dark ? "dark" : "light"];
  return through([...negative, background, ...positive], background);
}

/**
 * Colors to lay over a picture, the more opaque the larger the value: on a light picture they darken, on a dark one they
 * brighten, so that their order survives color blindness on either.
 */
export function makeOverlay(onDark: boolean): Ramp {
  const marks = PALETTE.overlay[onDark ? "dark" : "light"];
  return through(marks, parseColor(marks[0] ?? "") ?? [0, 0, 0]);
}

function through(marks: readonly (RGB | string)[], background: RGB): Ramp {
  const stops = marks.map((mark) =>
    toOklab(typeof mark === "string" ? (parseColor(mark) ?? background) : mark),
  );
  const colors: RGB[] = [];
  for (let i = 0; i < 256; i++) {
    const position = (i / 255) * (stops.length - 1);
    const low = Math.min(stops.length - 2, Math.floor(position));
    const [from, to] = [stops[low] ?? stops[0], stops[low + 1] ?? stops[0]] as [RGB, RGB];
    const share = position - low;
    const mix = (k: 0 | 1 | 2) => from[k] + (to[k] - from[k]) * share;
    // The background itself is kept free of rounding errors.
    colors.push(share === 0 && marks[low] === background ? background : fromOklab([mix(0), mix(1), mix(2)]));
  }
  const colorAt = (value: number): RGB => colors[toByte(value)] ?? background;
  const css = (value: number) => `rgb(${colorAt(value).map(Math.round).join(" ")})`;
  const bytes = Uint8ClampedArray.from(colors.flatMap((color) => [...color, 255]));
  return {
    colors,
    pixels: new Uint32Array(bytes.buffer),
    css,
    ink: (value) => inkOn(colorAt(value)),
    gradient: `linear-gradient(to right, ${stops.map((_, i) => css(i / (stops.length - 1))).join(", ")})`,
  };
}

/** A color that reads on another one. */
export function inkOn(color: RGB): string {
  return (toOklab(color)[0] ?? 0) > 0.62 ? PALETTE.ink.dark : PALETTE.ink.light;
}

function toByte(value: number): number {
  return Math.max(0, Math.min(255, Math.round(value * 255)));
}

/** Square-root scale for weights: most are small, and a linear map would show none of them. */
export function weightShade(weight: number, top: number): number {
  return top > 0 ? Math.sqrt(Math.max(0, weight) / top) : 0;
}

export interface Domain {
  low: number;
  high: number;
}

/** The range of the defined scores, or null when none is defined. */
export function scoreDomain(values: readonly (readonly (number | null)[])[]): Domain | null {
  let domain: Domain | null = null;
  for (const row of values)
    for (const value of row) {
      if (value === null || !Number.isFinite(value)) continue;
      domain = domain
        ? { low: Math.min(domain.low, value), high: Math.max(domain.high, value) }
        : { low: value, high: value };
    }
  return domain;
}

/** Where a score lies in its domain; a single value lies in the middle. */
export function shade(value: number, domain: Domain): number {
  return domain.high > domain.low ? (value - domain.low) / (domain.high - domain.low) : 0.5;
}

/** Where a difference lies on a diverging map, square-root scaled like the weights; 0.5 is none. */
export function differenceShade(difference: number, top: number): number {
  return top > 0
    ? 0.5 + 0.5 * Math.sign(difference) * Math.sqrt(Math.min(1, Math.abs(difference) / top))
    : 0.5;
}
