// What gestures do to the traits: picking heads and layers, and changing the sentence.
import { pickPatch, type Store, togglePick } from "./state";
import type { Head } from "./types";

export interface Gestures {
  pick(head: Head, add: boolean): void;
  pickLayer(layer: number, add: boolean): void;
  /** Goes up or down the layers with the head last picked. */
  stepLayer(by: number): void;
  remove(head: Head): void;
  open(head: Head): void;
  sentence(index: number): void;
}

export function createGestures(store: Store): Gestures {
  const set = (heads: Head[]) => store.set(pickPatch(heads));
  return {
    pick: (head, add) => set(add ? togglePick(store.get("heads"), head) : [head]),
    pickLayer(layer, add) {
      const whole = Array.from({ length: store.get("info").heads }, (_, head): Head => [layer, head]);
      set(add ? [...store.get("heads").filter((head) => head[0] !== layer), ...whole] : whole);
    },
    stepLayer(by) {
      const layer = Math.max(0, Math.min(store.get("info").layers - 1, store.get("layer") + by));
      set([[layer, store.get("head")]]);
    },
    remove: (head) => set(togglePick(store.get("heads"), head)),
    open: (head) => store.set({ ...pickPatch([head]), panel: "lines" }),
    // Positions of one sentence mean nothing in another.
    sentence: (sentence) => store.set({ sentence, target_index: null, source_index: null }),
  };
}
