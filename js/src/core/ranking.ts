// Ranks heads by a score and averages layers: pure functions on [layers, heads] values.
import type { Head } from "./contract";

type Values = readonly (readonly (number | null)[])[];

export interface Ranked {
  head: Head;
  value: number | null;
  /** 1 is the best value, and equal values have equal ranks; null for an undefined value. */
  rank: number | null;
  /** Whether another head has the same rank. */
  tied: boolean;
}

/** Values that differ by less than this share of the larger one are equal but for rounding. */
const SAME = 1e-6;

/** All heads, highest value first, and then those whose value is undefined. Ranks count from the better end. */
export function rankHeads(values: Values, better: "higher" | "lower" = "higher"): Ranked[] {
  const all = values.flatMap((row, layer) =>
    row.map(
      (value, head): Ranked => ({ head: [layer, head], value: defined(value), rank: null, tied: false }),
    ),
  );
  all.sort((a, b) => (b.value ?? Number.NEGATIVE_INFINITY) - (a.value ?? Number.NEGATIVE_INFINITY));
  const known = all.slice(0, countDefined(all));
  if (better === "lower") known.reverse();
  let first: Ranked | null = null;
  known.forEach((entry, index) => {
    if (entry.value === null) return;
    const isTied = first !== null && isSame(first.value ?? 0, entry.value);
    if (isTied && first) first.tied = true;
    else first = entry;
    entry.rank = isTied ? (first?.rank ?? null) : index + 1;
    entry.tied = isTied;
  });
  return all;
}

/** The same heads, lowest value first; undefined ones stay behind the others. */
export function lowestFirst(ranked: readonly Ranked[]): Ranked[] {
  const count = countDefined(ranked);
  return [...ranked.slice(0, count).reverse(), ...ranked.slice(count)];
}

/** The rank as it is shown: "3", or "3=" where another head has it too. */
export function rankText({ rank, tied }: Ranked): string {
  return rank === null ? "–" : `${rank}${tied ? "=" : ""}`;
}

/** How many heads have a value. */
export function countDefined(ranked: readonly Ranked[]): number {
  return ranked.filter(({ value }) => value !== null).length;
}

/** Whether several heads have a value, and all of them the same. */
export function isFlat(ranked: readonly Ranked[]): boolean {
  const count = countDefined(ranked);
  return count > 1 && ranked[0]?.rank === 1 && ranked[count - 1]?.rank === 1;
}

/** Mean of the defined scores of each layer, null where a layer has none. */
export function layerMeans(values: Values): (number | null)[] {
  return values.map(meanOf);
}

/** Mean of the defined values, null where none is defined. */
export function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.map(defined).filter((value) => value !== null);
  return known.length > 0 ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

function defined(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null;
}

function isSame(a: number, b: number): boolean {
  return Math.abs(a - b) <= SAME * Math.max(Math.abs(a), Math.abs(b));
}
