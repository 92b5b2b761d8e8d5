// How the picked heads score, in words: one by its value and rank, several by their mean.
import type { Head } from "../core/contract";
import { formatScore } from "../core/format";
import { sameHead } from "../core/picks";
import { countDefined, isFlat, meanOf, type Ranked, rankText } from "../core/ranking";

export function standingText(ranked: readonly Ranked[], heads: readonly Head[]): string {
  const picked = ranked.filter((entry) => heads.some((head) => sameHead(head, entry.head)));
  const [first] = picked;
  if (!first) return "";
  const equal = isFlat(ranked) ? ", all heads are equal" : "";
  if (picked.length > 1) {
    const lacking = picked.length - countDefined(picked);
    const without = lacking > 0 && lacking < picked.length ? ` (${lacking} undefined)` : "";
    return `mean of ${picked.length} heads: ${formatScore(meanOf(picked.map(({ value }) => value)))}${without}${equal}`;
  }
  const [layer, head] = first.head;
  const place = equal || (first.rank === null ? "" : `, rank ${rankText(first)} of ${countDefined(ranked)}`);
  return `L${layer} H${head}: ${formatScore(first.value)}${place}`;
}
