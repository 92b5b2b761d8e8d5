// Which words the rows of the matrix are, and when they are spoken.
import type { GoldWord, Reading, WordTimesReply } from "../core/contract";
import type { Units } from "../core/units";
import type { Span } from "./timeline";

/** A word as it is shown: its text and time, the row that stands for it, and how a reference times it. */
export interface ShownWord extends Span {
  text: string;
  confidence: number | null;
  /** Its first row; -1 where it is dropped or has none. */
  row: number;
  gold: GoldWord | null;
}

export interface Timing {
  words: ShownWord[];
  /** The word of each row; -1 for special tokens. */
  wordOfRow: Int32Array;
  /** The path, in rows as they are shown; a row of several tokens has several parts. */
  path: { row: number; start: number; end: number }[];
}

export const NO_TIMING: Timing = { words: [], wordOfRow: new Int32Array(0), path: [] };

/** Words are known by the token that a row writes; under the other reading each row is named by the one before. */
export function timingOf(reply: WordTimesReply, units: Units, reading: Reading): Timing {
  const shift = reading === "input" ? 1 : 0;
  const rowOf = (position: number) => units.assign[position + shift] ?? -1;
  const wordOfRow = new Int32Array(units.labels.length).fill(-1);
  const words = reply.words.map(({ text, start, end, confidence, rows }, index): ShownWord => {
    let first = -1;
    for (let position = rows[0]; position < rows[1]; position++) {
      const row = rowOf(position);
      if (row < 0) continue;
      if (first < 0) first = row;
      wordOfRow[row] = index;
    }
    const gold = reply.gold?.find(({ word }) => word === index) ?? null;
    return { text, start, end, confidence, row: first, gold };
  });
  // The path belongs to the states of the decoder, whatever names them.
  const path = reply.path
    .map(([position, start, end]) => ({ row: units.assign[position] ?? -1, start, end }))
    .filter(({ row }) => row >= 0);
  return { words, wordOfRow, path };
}

/** The timing cut at the ends of a span: files, unlike the screen, show everything that is drawn. */
export function clipTiming(timing: Timing, { start, end }: Span): Timing {
  const cut = <Part extends Span>(part: Part): Part =>
    part.end <= start || part.start >= end
      ? part
      : { ...part, start: Math.max(start, part.start), end: Math.min(end, part.end) };
  return {
    ...timing,
    words: timing.words.map((word) => ({ ...cut(word), gold: word.gold && cut(word.gold) })),
    path: timing.path.filter((part) => part.end >= start && part.start <= end).map(cut),
  };
}

/** How far the times of words are from a reference, in seconds; null where none has one. */
export function errorsOf(words: readonly ShownWord[]): { mean: number; lag: number; count: number } | null {
  const errors = words.flatMap(({ start, end, gold }) => (gold ? [start - gold.start, end - gold.end] : []));
  if (errors.length === 0) return null;
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  return {
    mean: sum(errors.map(Math.abs)) / errors.length,
    lag: sum(errors) / errors.length,
    count: errors.length / 2,
  };
}
