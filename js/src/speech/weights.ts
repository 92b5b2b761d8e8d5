// The weights of the picked heads over the positions of sound: as captured, cropped to the sound, standardized or
// filtered; then combined over heads, and averaged over the rows of a word.
import type { Aggregate, Head, SoundWeights } from "../core/contract";
import type { Units } from "../core/units";
import type { Span } from "./timeline";

/** The width of the median filter, in positions: the one of openai-whisper. */
const MEDIAN = 7;

/** Weights [rows, columns] of the shown rows over the shown positions. */
export interface Heard {
  rows: number;
  columns: number;
  values: Float32Array;
  /** The largest of all. */
  top: number;
  /** For each row the share outside the sound, as captured, averaged like the weights. */
  outside: Float32Array;
}

/** More strips would leave no room for the rows. */
export const MOST_STRIPS = 12;

/** The weights of single heads over the same positions, for a strip each. */
export interface HeadStrips {
  heads: readonly Head[];
  weights: readonly Heard[];
  /** The time of each shown position. */
  places: readonly Span[];
}

/** How many of the heads have a strip: none where they are drawn as one. */
export function stripCount(heads: readonly Head[], combined: boolean): number {
  return combined || heads.length < 2 ? 0 : Math.min(heads.length, MOST_STRIPS);
}

/** One head as captured: its weights [target, source], and for each row the share outside if it is known exactly. */
export interface CapturedHead {
  weights: Float32Array;
  outside: readonly number[] | null;
}

/**
 * `positions` has the source positions to show in order, `heard` those inside the sound: the same ones unless the
 * weights are shown raw.
 */
export function hear(
  heads: readonly CapturedHead[],
  source: number,
  heard: readonly number[],
  units: Units,
  kind: SoundWeights,
  aggregate: Aggregate,
): Heard {
  const targets = units.assign.length;
  const shown = kind === "raw" ? Array.from({ length: source }, (_, position) => position) : heard;
  const total = new Float32Array(targets * shown.length);
  const outside = new Float32Array(targets);
  heads.forEach((head, index) => {
    const values = prepared(head.weights, targets, source, shown, kind);
    for (let i = 0; i < total.length; i++) {
      const value = values[i] as number;
      const before = total[i] as number;
      // Standardized weights may be negative: the first head is the maximum so far, whatever its sign.
      total[i] = aggregate === "max" && index > 0 ? Math.max(before, value) : before + value;
    }
    for (let row = 0; row < targets; row++) {
      const share = head.outside?.[row] ?? outsideOf(head.weights, source, heard, row);
      outside[row] = (outside[row] as number) + share / heads.length;
    }
  });
  if (aggregate === "mean")
    for (let i = 0; i < total.length; i++) total[i] = (total[i] as number) / heads.length;
  const values = averaged(total, units, shown.length);
  let top = 0;
  for (let i = 0; i < values.length; i++) if ((values[i] as number) > top) top = values[i] as number;
  const rows = units.labels.length;
  return { rows, columns: shown.length, values, top, outside: averaged(outside, units, 1) };
}

function outsideOf(weights: Float32Array, source: number, heard: readonly number[], row: number): number {
  let inside = 0;
  let whole = 0;
  for (let position = 0; position < source; position++) whole += weights[row * source + position] ?? 0;
  for (const position of heard) inside += weights[row * source + position] ?? 0;
  return whole > 0 ? 1 - inside / whole : 0;
}

function prepared(
  weights: Float32Array,
  rows: number,
  source: number,
  shown: readonly number[],
  kind: SoundWeights,
): Float32Array {
  const columns = shown.length;
  const out = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const [from, to] = [row * source, row * columns];
    let sum = 0;
    for (let i = 0; i < columns; i++) {
      const value = weights[from + (shown[i] as number)] ?? 0;
      out[to + i] = value;
      sum += value;
    }
    if (kind === "raw") continue;
    // A row that attends only to what is outside has no weight left.
    const scale = sum > 0 ? 1 / sum : 0;
    for (let i = 0; i < columns; i++) out[to + i] = (out[to + i] as number) * scale;
  }
  if (kind === "zscored" || kind === "filtered") standardize(out, rows, columns);
  return kind === "filtered" ? medians(out, rows, columns) : out;
}

/** Each column minus its mean over the rows, divided by its standard deviation over them. */
function standardize(values: Float32Array, rows: number, columns: number): void {
  for (let column = 0; column < columns; column++) {
    let sum = 0;
    let squares = 0;
    for (let i = column; i < values.length; i += columns) sum += values[i] as number;
    const mean = sum / rows;
    for (let i = column; i < values.length; i += columns) squares += ((values[i] as number) - mean) ** 2;
    const deviation = Math.sqrt(squares / rows);
    for (let i = column; i < values.length; i += columns)
      values[i] = deviation > 0 ? ((values[i] as number) - mean) / deviation : 0;
  }
}

/** The median around each position of a row; beyond its ends the row is reflected. */
function medians(values: Float32Array, rows: number, columns: number): Float32Array {
  const half = MEDIAN >> 1;
  if (columns <= half) return values;
  const out = new Float32Array(values.length);
  const window = new Float32Array(MEDIAN);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    for (let column = 0; column < columns; column++) {
      for (let i = 0; i < MEDIAN; i++) {
        let place = Math.abs(column + i - half);
        if (place >= columns) place = 2 * (columns - 1) - place;
        // Sorted as they come: there are seven.
        const value = values[start + place] as number;
        let slot = i;
        for (; slot > 0 && (window[slot - 1] as number) > value; slot--)
          window[slot] = window[slot - 1] as number;
        window[slot] = value;
      }
      out[start + column] = window[half] as number;
    }
  }
  return out;
}

/** The mean of [target, columns] over the rows of each unit. */
function averaged(values: Float32Array, units: Units, columns: number): Float32Array {
  const out = new Float32Array(units.labels.length * columns);
  units.positions.forEach((positions, unit) => {
    for (const position of positions)
      for (let column = 0; column < columns; column++) {
        const cell = unit * columns + column;
        out[cell] = (out[cell] as number) + (values[position * columns + column] ?? 0) / positions.length;
      }
  });
  return out;
}
