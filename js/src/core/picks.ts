// Which heads of which sentence are shown: the picked ones, and what they are compared with.
import { signal } from "@preact/signals-core";

import type { Effect, Head, Info, Traits } from "./contract";
import { isAggregated } from "./scene";
import type { Store } from "./store";

/** One side of a comparison. */
export interface Pick {
  sentence: number;
  heads: Head[];
}

export function sameHead(a: Head, b: Head): boolean {
  return a[0] === b[0] && a[1] === b[1];
}

/** The traits for a new pick; the last head is the one that `layer` and `head` name. */
export function pickPatch(heads: Head[]): Partial<Traits> {
  const last = heads[heads.length - 1];
  return last ? { heads, layer: last[0], head: last[1] } : {};
}

/** Adds a head, or removes it if it is already picked; at least one head always stays picked. */
export function togglePick(heads: readonly Head[], head: Head): Head[] {
  const rest = heads.filter((other) => !sameHead(other, head));
  if (rest.length === heads.length) return [...heads, head];
  return rest.length > 0 ? rest : [...heads];
}

/** Layers and heads of a sentence's model. */
export function shapeOf(info: Info, sentence: number): { layers: number; heads: number } {
  const { layers, heads } = info.sentences[sentence] ?? info;
  return { layers, heads };
}

export function wholeLayer(layer: number, heads: number): Head[] {
  return Array.from({ length: heads }, (_, head): Head => [layer, head]);
}

/** Whether an experiment has read the sentence without the muted heads. */
export function isMutedReading(effect: Effect | null, sentence: number): effect is Effect {
  return effect !== null && (sentence === effect.forced || sentence === effect.written);
}

/**
 * Whether the heads of each set of lines are muted: one set for each head, or one for all of them where they are drawn
 * as one. The sentence that muting is compared with was read with every head.
 */
export function mutedSets(
  store: Store,
  { sentence, heads, combined }: Pick & { combined: boolean },
): boolean[] {
  const { effect } = store.get("live");
  const isWhole = effect !== null && !isMutedReading(effect, sentence);
  const muted = isWhole ? [] : store.get("muted");
  const each = heads.map((head) => muted.some((other) => sameHead(other, head)));
  return isAggregated({ heads, combined }) ? [each.every(Boolean)] : each;
}

/** The heads that this model has too, or else the mean of its last layer. */
export function fitHeads(heads: readonly Head[], shape: { layers: number; heads: number }): Head[] {
  const fitting = heads.filter(([layer, head]) => layer < shape.layers && head < shape.heads);
  return fitting.length > 0 ? fitting : wholeLayer(shape.layers - 1, shape.heads);
}

export function firstPick(store: Store): Pick {
  return { sentence: store.get("sentence"), heads: store.get("heads") };
}

/**
 * What the picked heads are compared with. By default the same heads on the next sentence or hypothesis, or with a
 * single sentence all heads of the previous layer (of the next one for layer 0).
 */
export function secondPick(store: Store): Pick {
  const info = store.get("info");
  const compare = store.get("compare");
  const first = firstPick(store);
  const several = info.sentences.length > 1;
  const next = several ? (first.sentence + 1) % info.sentences.length : first.sentence;
  // What muting has changed is compared with the sentence that it was tried on.
  const { effect } = store.get("live");
  const other = isMutedReading(effect, first.sentence) ? effect.base : next;
  const sentence = compare ? (compare.sentence ?? first.sentence) : other;
  const shape = shapeOf(info, sentence);
  if (compare?.heads) return { sentence, heads: fitHeads(compare.heads, shape) };
  if (compare || several) return { sentence, heads: fitHeads(first.heads, shape) };
  const layer = store.get("layer") > 0 ? store.get("layer") - 1 : Math.min(1, shape.layers - 1);
  return { sentence, heads: wholeLayer(layer, shape.heads) };
}

/** The pick that the grid of heads shows: the first, or in a view of two picks the one chosen there. */
export interface Subject {
  readonly second: boolean;
  choose(second: boolean): void;
  pick(): Pick;
}

export function createSubject(store: Store): Subject {
  // The choice counts only in the view in which it was made.
  const chosenIn = signal<string | null>(null);
  const subject = {
    get second() {
      return chosenIn.value !== null && chosenIn.value === store.get("panel");
    },
    choose(second: boolean) {
      chosenIn.value = second ? store.get("panel") : null;
    },
    pick: () => (subject.second ? secondPick(store) : firstPick(store)),
  };
  return subject;
}
