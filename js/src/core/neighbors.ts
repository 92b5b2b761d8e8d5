// Builds the scenes of the layers above and below while the browser is idle: the Page keys then show them in a frame.
import type { Head } from "./contract";
import type { Data } from "./data";
import type { Frames } from "./frames";
import { shapeOf } from "./picks";
import { buildScene, type Scene } from "./scene";
import type { Store } from "./store";

/** Milliseconds of rest before it begins. */
const PAUSE = 200;

export interface NeighborSources {
  data: Data;
  store: Store;
  frames: Frames;
  picked(): Scene | null;
}

/** The same heads in the layers next to theirs; none where they are of several layers. */
export function neighborHeads(heads: readonly Head[], layers: number): Head[][] {
  const layer = heads[0]?.[0] ?? 0;
  if (heads.some(([other]) => other !== layer)) return [];
  return [layer + 1, layer - 1]
    .filter((next) => next >= 0 && next < layers)
    .map((next) => heads.map(([, head]): Head => [next, head]));
}

/** Only layers that the page holds already are used: nothing is requested for this. */
export function followNeighbors(
  { data, store, frames, picked }: NeighborSources,
  closing: AbortSignal,
): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  closing.addEventListener("abort", () => clearTimeout(timer), { once: true });

  function build(scene: Scene, rest: Head[][]): void {
    timer = setTimeout(() => {
      const run = () => {
        const [heads, ...others] = rest;
        if (!heads || closing.aborted || picked() !== scene) return;
        if (data.hasLayer(scene.spec.sentence, heads[0]?.[0] ?? 0))
          void buildScene(data, { ...scene.spec, heads }, closing, () => {}).catch(() => {});
        build(scene, others);
      };
      if (typeof requestIdleCallback === "function") requestIdleCallback(run);
      else run();
    }, PAUSE);
  }

  frames.watch(() => {
    clearTimeout(timer);
    const scene = picked();
    if (!scene) return;
    const { layers } = shapeOf(store.get("info"), scene.spec.sentence);
    build(scene, neighborHeads(scene.spec.heads, layers));
  });
}
