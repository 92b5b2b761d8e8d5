// Ranks heads by a score and averages layers: pure functions on [layers, heads] values.
import type { Head } from "./contract";

export interface Ranked {
  head: Head;
  value: number | null;
  /** 1 is best; undefined scores come last. */
  rank: number;
}

export function rankHeads(
  values: readonly (readonly (number | null)[])[],
  direction: "higher" | "lower",
): Ranked[] {
  const all: Ranked[] = values.flatMap((row, layer) =>
    row.map((value, head) => ({
      head: [layer, head] as Head,
      value: value !== null && Number.isFinite(value) ? value : null,
      rank: 0,
    })),
  );
  const sign = direction === "lower" ? 1 : -1;
  all.sort((a, b) => {
    if (a.value === null || b.value === null) return Number(a.value === null) - Number(b.value === null);
    return sign * (a.value - b.value);
  });
  all.forEach((entry, index) => {
    entry.rank = index + 1;
  });
  return all;
}

/** Mean of the defined scores of each layer, null where a layer has none. */
export function layerMeans(values: readonly (readonly (number | null)[])[]): (number | null)[] {
  return values.map((row) => {
    const defined = row.filter((value): value is number => value !== null && Number.isFinite(value));
    return defined.length > 0 ? defined.reduce((sum, value) => sum + value, 0) / defined.length : null;
  });
}
