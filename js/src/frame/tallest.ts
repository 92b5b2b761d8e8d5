// How many units the longest sentences of the list have, known before any of them is loaded.
import { dropOf } from "../core/dropping";
import { unitCount } from "../core/sentences";
import type { Store } from "../core/store";

/** The most units of any entry on either side; none for a single entry, which needs no space for others. */
export function tallest(store: Store): { source: number; target: number } {
  const { sentences } = store.get("info");
  const shown = { words: store.get("words"), drop: dropOf(store.get("special")) };
  const most = { source: 0, target: 0 };
  if (sentences.length < 2) return most;
  for (const { lengths } of sentences)
    for (const side of ["source", "target"] as const)
      if (lengths) most[side] = Math.max(most[side], unitCount(lengths[side], shown));
  return most;
}
