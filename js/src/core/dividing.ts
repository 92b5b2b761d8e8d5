// What the setting "divide_sinks" does: the kernel divides weights by what each position gets in every picture, where
// they are requested. Python says the same in xattn_widget/panel/dividing.py.
import type { SinkInfo } from "./contract";
import type { Store } from "./store";

/** Whether the weights of a sentence are shown divided by the sinks. */
export function isDivided(store: Store, sentence: number): boolean {
  return store.get("divide_sinks") && (sinksOf(store, sentence)?.note ?? "") !== "";
}

/** Whether the weights of a sentence can be divided; null for one that is not of a picture. */
export function sinksOf(store: Store, sentence: number): SinkInfo | null {
  return store.get("info").sentences[sentence]?.sinks ?? null;
}

/** What the shown weights are divided by, in words; "" where they are as captured. */
export function dividingNote(store: Store, sentence: number): string {
  return isDivided(store, sentence) ? (sinksOf(store, sentence)?.note ?? "") : "";
}
