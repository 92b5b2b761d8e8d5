// Where muting heads, or a comparison, cannot change attention: what is zero by construction, and why.
import type { Effect, Head } from "./contract";
import { equal } from "./equal";
import type { Pick } from "./picks";

/** Heads that are muted in an experiment, and the sentences that it made. */
export interface Muting {
  muted: readonly Head[];
  effect: Effect | null;
}

/**
 * Why muting cannot change the attention of these heads under the same target; "" if it can. A layer reads what the
 * layers below have written, so only heads of layers below it change what it attends to.
 */
export function muteReason(muted: readonly Head[], shown: readonly Head[]): string {
  const layers = [...new Set(muted.map(([layer]) => layer))].sort((a, b) => a - b);
  const lowest = layers[0];
  if (lowest === undefined || shown.some(([layer]) => layer > lowest)) return "";
  const reached = lowest === 0 ? "layer 0" : `layers 0 to ${lowest}`;
  const which =
    layers.length === 1 ? `layer ${lowest}` : `layers ${layers.slice(0, -1).join(", ")} and ${layers.at(-1)}`;
  return `Muting heads of ${which} cannot change attention in ${reached} under the same target.`;
}

/** Why the difference of two picks is zero by construction; "" if it can be another. */
export function zeroReason(a: Pick, b: Pick, { muted, effect }: Muting): string {
  if (!equal(sorted(a.heads), sorted(b.heads))) return "";
  if (a.sentence === b.sentence)
    return "A and B are the same heads of the same sentence, so their difference is zero.";
  if (!effect) return "";
  // Whether the target was read with muted heads; undefined for another target.
  const isMuted = ({ sentence }: Pick) =>
    sentence === effect.base
      ? false
      : sentence === effect.forced || (effect.same && sentence === effect.written) || undefined;
  const [first, second] = [isMuted(a), isMuted(b)];
  if (first === undefined || second === undefined) return "";
  if (first && second) return "The model still writes the same target, so A and B are the same.";
  const reason = muteReason(muted, a.heads);
  return reason && `${reason} The difference is zero.`;
}

/** What to compare after muting: the same target with and without the heads, or where that shows nothing, what the
 * model writes now. */
export function comparedSentence({ muted, effect }: Muting, shown: readonly Head[]): number | null {
  if (!effect) return null;
  return muteReason(muted, shown) !== "" && !effect.same ? effect.written : effect.forced;
}

function sorted(heads: readonly Head[]): Head[] {
  return [...heads].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}
