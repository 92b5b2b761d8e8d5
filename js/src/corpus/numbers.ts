// Numbers and names as the view of a corpus writes them: pure functions.
import { formatScore, headName } from "../core/format";
import { sameHead } from "../core/picks";
import type { DistributionReply, Quantity, RankedHead, Value } from "./contract";

export function formatValue(value: Value): string {
  return typeof value === "string" ? value : value === null ? "–" : formatScore(value);
}

export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** What a score is ranked by, in words. */
export function rankedName(head: RankedHead): string {
  if (head === null) return "the mean of all heads";
  return typeof head === "number" ? `the mean of layer ${head}` : headName(...head);
}

export function sameRanked(a: RankedHead, b: RankedHead): boolean {
  return Array.isArray(a) && Array.isArray(b) ? sameHead(a as never, b as never) : a === b;
}

/** The two orders of the list, with the one that shows the worst first marked where there is one. */
export function orderNames(quantity: Quantity | undefined): [highest: string, lowest: string] {
  const worst = (lowest: boolean) =>
    quantity && quantity.direction !== "" && quantity.lowest_first === lowest ? " (worst)" : "";
  return [`highest first${worst(false)}`, `lowest first${worst(true)}`];
}

/** The distribution of a head, or of a quantity without heads, as a sentence. */
export function describeColumn(
  { quartiles, rows }: DistributionReply,
  [layer, head]: readonly [number, number],
  what: string,
): string {
  const [low, first, median, third, high] = quartiles[layer]?.[head] ?? [];
  const count = rows[layer]?.[head] ?? 0;
  if (count === 0) return `no ${what} has a value`;
  const number = (value: number | null | undefined) => formatScore(value);
  return (
    `median ${number(median)}, the middle half from ${number(first)} to ${number(third)}, ` +
    `all from ${number(low)} to ${number(high)} (${formatCount(count)} ${what}s)`
  );
}

/** Where a value lies in the range of a distribution, 0 to 1; null for one outside or missing. */
export function placeOf(value: Value | undefined, { low, high }: DistributionReply): number | null {
  if (typeof value !== "number" || low === null || high === null) return null;
  if (value < low || value > high) return null;
  return high > low ? (value - low) / (high - low) : 0.5;
}

/** How many layers stand side by side, for the width of the view. */
export function layersPerRow(width: number, layers: number, heads: number): number {
  const least = Math.max(76, heads * 8 + 8);
  return Math.max(1, Math.min(layers, Math.floor(width / least)));
}

/** The bin under a place of a histogram, as a sentence. */
export function describeBin(
  reply: DistributionReply,
  counts: Uint32Array,
  bin: number,
  what: string,
): string {
  const [low, high, bins] = [reply.low ?? 0, reply.high ?? 0, reply.shape[2]];
  const edge = (index: number) => formatScore(low + ((high - low) * index) / bins);
  const count = counts[bin] ?? 0;
  return `from ${edge(bin)} to ${edge(bin + 1)}: ${formatCount(count)} ${count === 1 ? what : `${what}s`}`;
}
