// What gestures do to the traits: picking heads and layers, and changing the sentence.

import type { Head, HeadSetInfo, Traits } from "./contract";
import { headsOf } from "./own_rows";
import { fitHeads, pickPatch, type Subject, shapeOf, togglePick, wholeLayer } from "./picks";
import type { Store } from "./store";

export interface Gestures {
  pick(head: Head, add: boolean): void;
  pickLayer(layer: number, add: boolean): void;
  /** Shows the set of heads that was saved with the model. */
  pickSet(set: HeadSetInfo): void;
  /** Moves the picked heads to the layer above or below; of heads of several layers, the one picked last. */
  stepLayer(by: number): void;
  remove(head: Head): void;
  sentence(index: number): void;
  /** Compares the shown sentence with another. */
  compareSentence(index: number): void;
}

export function createGestures(store: Store, subject: Subject): Gestures {
  /** `combined`: whether they are drawn as one; as before where it is left out. */
  const set = (heads: Head[], combined = store.get("combined")) => {
    if (subject.second) store.set({ compare: { sentence: subject.pick().sentence, heads } });
    else store.set({ ...pickPatch(heads), combined });
  };
  const picked = () => subject.pick().heads;
  return {
    // Heads that are added one by one are to be told apart; a whole layer is shown by its mean.
    pick: (head, add) => (add ? set(togglePick(picked(), head), false) : set([head])),
    pickLayer(layer, add) {
      const whole = wholeLayer(layer, shapeOf(store.get("info"), subject.pick().sentence).heads);
      set(add ? [...picked().filter((head) => head[0] !== layer), ...whole] : whole, true);
    },
    pickSet(known) {
      const { reading } = known;
      if (subject.second) set(headsOf(known));
      else store.set({ ...pickPatch(headsOf(known)), combined: true, aggregate: "mean" });
      store.set({ reading });
    },
    stepLayer(by) {
      const { layers } = shapeOf(store.get("info"), store.get("sentence"));
      const layer = Math.max(0, Math.min(layers - 1, store.get("layer") + by));
      const heads = store.get("heads");
      // Heads of one layer keep their numbers, so that a whole layer is followed by a whole layer.
      const together = heads.every((head) => head[0] === store.get("layer"));
      const moved = heads.map(([, head]): Head => [layer, head]);
      store.set(pickPatch(together && moved.length > 0 ? moved : [[layer, store.get("head")]]));
    },
    remove: (head) => set(togglePick(picked(), head)),
    sentence: (sentence) => store.set(sentencePatch(store, sentence)),
    compareSentence: (sentence) => store.set({ compare: { ...store.get("compare"), sentence } }),
  };
}

/** The traits for another sentence: the picked heads stay if its model has them. */
export function sentencePatch(store: Store, sentence: number): Partial<Traits> {
  const heads = fitHeads(store.get("heads"), shapeOf(store.get("info"), sentence));
  // Positions of one sentence mean nothing in another.
  return { sentence, target_index: null, source_index: null, ...pickPatch(heads) };
}
