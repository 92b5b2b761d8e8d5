// Loads the picture of a record while a view is open, and says which patches its positions are.
import { computed, type ReadonlySignal, signal } from "@preact/signals-core";
import type { Context } from "../context";
import { equal } from "../equal";
import { errorText } from "../errands";
import type { Scene } from "../scene";
import { decodePicture, type Picture } from "./file";
import { type Patches, patchesOf } from "./patches";

export interface PictureSource {
  picture: ReadonlySignal<Picture | null>;
  /** Why the picture is missing; "" while it loads and once it is there. */
  missing: ReadonlySignal<string>;
  patches(scene: Scene): Patches;
}

/** `sentenceOf` says whose picture it is, by default that of the shown sentence. */
export function createPictureSource(
  context: Context,
  isOpen: () => boolean,
  sentenceOf: () => number = () => context.store.get("sentence"),
): PictureSource {
  const { data, store, errands, frames } = context;
  const picture = signal<Picture | null>(null);
  const missing = signal("");
  const known = new WeakMap<Scene["source"], Patches>();
  const errand = errands.add({ quiet: true, retry: () => last && void load(last) });
  const subject = computed(() => {
    const sentence = sentenceOf();
    const info = store.get("info").sentences[sentence];
    return { sentence, version: info?.version, image: info?.image ?? null };
  });
  let last: typeof subject.value | null = null;

  async function load({ sentence, image }: typeof subject.value): Promise<void> {
    const run = errand.start();
    errand.settle(null);
    picture.value = null;
    missing.value = image ? "" : "This record holds no picture: only its patches are drawn.";
    if (!image) return;
    try {
      const decoded = await decodePicture(await data.image(sentence));
      if (!run.aborted) picture.value = decoded;
    } catch (error) {
      if (!run.aborted) missing.value = `The picture cannot be shown: ${errorText(error)}.`;
    }
  }
  frames.follow(() => {
    if (!isOpen() || equal(subject.value, last)) return;
    last = subject.value;
    void load(last);
  });

  return {
    picture,
    missing,
    patches({ source, spec }) {
      const before = known.get(source);
      if (before) return before;
      const image = store.get("info").sentences[spec.sentence]?.image ?? null;
      const patches = patchesOf(source.places, image);
      known.set(source, patches);
      return patches;
    },
  };
}
