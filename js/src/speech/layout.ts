// Where the parts of the view lie: the sound above, a row for each word below, all on one axis of time.
import { lengthOf, type Span } from "./timeline";

export interface Band {
  y: number;
  height: number;
}

export interface SoundLayout {
  width: number;
  /** The columns of pixels of the axis of time. */
  plot: { x: number; width: number };
  ruler: Band;
  wave: Band;
  /** Of no height where the model reads samples. */
  picture: Band;
  words: Band;
  /** Of no height without a reference. */
  gold: Band;
  /** A strip for each head, of no height where they are drawn as one. */
  strips: Band;
  strip: number;
  /** The height of all of them. */
  height: number;
  row: number;
}

export interface SoundSpace {
  width: number;
  rows: number;
  hasPicture: boolean;
  hasGold: boolean;
  /** How many heads have a strip. */
  strips: number;
  /** Whether some row has weight outside the sound, so that it needs a column for it. */
  hasOutside: boolean;
  /** The width of the longest label of a row. */
  labels: number;
  enlarged: boolean;
}

const RULER = 18;
const WAVE = 40;
const WAVE_ALONE = 88;
const PICTURE = 96;
const WORDS = 20;
const GOLD = 18;
const STRIP = 22;
const LOW_STRIP = 15;
const FEW_STRIPS = 4;
const GAP = 3;
/** The height for all rows; more of them are lower, until they cannot be told apart. */
const ROWS = 400;
const TALLEST_ROW = 18;
const LOWEST_ROW = 3;
export const READABLE_ROW = 16;
const OUTSIDE = 46;
const OUTSIDE_NARROW = 42;
const NARROW = 520;

export function soundLayout(space: SoundSpace): SoundLayout {
  const narrow = space.width < NARROW;
  const left = Math.ceil(Math.min(narrow ? 76 : 124, Math.max(44, space.labels + 12)));
  const right = space.hasOutside ? (narrow ? OUTSIDE_NARROW : OUTSIDE) : 4;
  const plot = { x: left, width: Math.max(60, Math.floor(space.width - left - right)) };
  let y = 0;
  const band = (height: number): Band => {
    const made = { y, height };
    if (height > 0) y += height + GAP;
    return made;
  };
  const ruler = band(RULER);
  const wave = band(space.hasPicture ? WAVE : WAVE_ALONE);
  const picture = band(space.hasPicture ? PICTURE : 0);
  const words = band(WORDS);
  const gold = band(space.hasGold ? GOLD : 0);
  const strip = space.strips > FEW_STRIPS ? LOW_STRIP : STRIP;
  const strips = band(space.strips * strip);
  const fitting = Math.max(LOWEST_ROW, Math.min(TALLEST_ROW, ROWS / Math.max(1, space.rows)));
  const row = space.enlarged ? Math.max(READABLE_ROW, fitting) : fitting;
  return {
    width: space.width,
    plot,
    ruler,
    wave,
    picture,
    words,
    gold,
    strips,
    strip,
    height: y,
    row: row >= 6 ? Math.floor(row) : row,
  };
}

/** Whether there is a column for the shares of rows outside the sound. */
export function hasOutside({ plot, width }: SoundLayout): boolean {
  return plot.x + plot.width + 10 < width;
}

/** Whether enlarging gives every row its label. */
export function canEnlarge({ row }: SoundLayout): boolean {
  return row < READABLE_ROW;
}

export function xOf({ plot }: SoundLayout, span: Span, time: number): number {
  return plot.x + ((time - span.start) / lengthOf(span)) * plot.width;
}

export function timeAt({ plot }: SoundLayout, span: Span, x: number): number {
  return span.start + ((x - plot.x) / plot.width) * lengthOf(span);
}

export function isIn({ y, height }: Band, at: number): boolean {
  return at >= y && at < y + height;
}
