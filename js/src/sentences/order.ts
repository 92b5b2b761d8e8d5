// The score of the picked heads in each sentence, and the order of the sentences by it.
import type { Head, SentenceOrder } from "../core/contract";
import { meanOf } from "../core/ranking";
import type { Outcome } from "../core/survey";

/** A sentence with the score of its picked heads. */
export interface Scored {
  /** Index of the sentence's first entry. */
  entry: number;
  /** The mean of the picked heads' defined scores; null where none is defined. */
  value: number | null;
  /** The reason if there is no score; "" if there is one, or if the score has not been read yet. */
  problem: string;
}

export function scoreSentence(entry: number, heads: readonly Head[], outcome: Outcome | undefined): Scored {
  if (!outcome) return { entry, value: null, problem: "" };
  if ("error" in outcome) return { entry, value: null, problem: outcome.error };
  const value = meanOf(heads.map(([layer, head]) => outcome.values[layer]?.[head] ?? null));
  return { entry, value, problem: value === null ? "undefined here" : "" };
}

/** Sentences without a score come last; equal ones stay in the order of the list. */
export function orderSentences(scored: readonly Scored[], order: SentenceOrder): Scored[] {
  if (order === "given") return [...scored];
  const sign = order === "lowest" ? 1 : -1;
  return [...scored].sort((a, b) => {
    if (a.value === null || b.value === null) return Number(a.value === null) - Number(b.value === null);
    return sign * (a.value - b.value);
  });
}

/** The lowest, mean and highest score; null where no sentence has one. */
export function summarizeScores(
  scored: readonly Scored[],
): { low: number; mean: number; high: number; count: number } | null {
  const values = scored.flatMap(({ value }) => (value === null ? [] : [value]));
  if (values.length === 0) return null;
  return {
    low: values.reduce((low, value) => Math.min(low, value)),
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    high: values.reduce((high, value) => Math.max(high, value)),
    count: values.length,
  };
}
