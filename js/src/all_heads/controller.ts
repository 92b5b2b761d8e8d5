// The room of the small multiples.

import type { LayerReply } from "../core/contract";
import { shapeOf } from "../core/picks";
import type { Context, Room } from "../core/view";
import { createAllHeads } from "./view";

export interface AllHeadsRoom extends Room {
  provide(sentence: number, layer: number, reply: LayerReply): void;
  /** Draws every head, also those out of sight. */
  complete(): Promise<void>;
}

export function createAllHeadsRoom({ store, data, loader, gestures, theme, signal }: Context): AllHeadsRoom {
  const view = createAllHeads({ open: gestures.open, need: (layer) => loader.thumbnails(layer) }, signal);
  return {
    element: view.element,
    hint: null,
    provide: view.provide,
    async complete() {
      const sentence = store.get("sentence");
      const { layers } = shapeOf(store.get("info"), sentence);
      // One after the other: a large model has more than the memory should hold at once.
      for (let layer = 0; layer < layers; layer++)
        view.provide(sentence, layer, await data.layer(sentence, layer));
    },
    draw() {
      const sentence = store.get("sentence");
      view.show({
        ...shapeOf(store.get("info"), sentence),
        sentence,
        values: loader.scores?.values ?? null,
        scoreName: store.get("score_name"),
        picked: store.get("heads"),
        theme: theme(),
      });
    },
  };
}
