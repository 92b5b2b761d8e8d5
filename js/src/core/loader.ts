// Loads what the traits ask for, and again when they change: scenes, the scores of the grid, and the alignment.
import { computed, type ReadonlySignal, signal } from "@preact/signals-core";
import type { Connection } from "./connection";
import type { AlignmentReply, Head, ScoresReply } from "./contract";
import type { Data } from "./data";
import { isDivided } from "./dividing";
import { dropOf } from "./dropping";
import { equal } from "./equal";
import { type Errands, errorText } from "./errands";
import type { Frames } from "./frames";
import { movedHeads, readingOf, rowNamesOf } from "./own_rows";
import { firstPick, type Pick, pickPatch, type Subject } from "./picks";
import { createPreview, type Preview } from "./preview";
import { buildScene, type Scene, type SceneSpec } from "./scene";
import { type ShownRows, shownRows } from "./scored_rows";
import type { Store } from "./store";

export interface Sources {
  data: Data;
  store: Store;
  errands: Errands;
  frames: Frames;
  connection: Connection;
}

export interface Loader {
  /** What the views draw: the head that is previewed, or else the picked heads. */
  scene: ReadonlySignal<Scene | null>;
  /** The weights of the picked heads; null until they are loaded, or if they are unavailable. */
  picked: ReadonlySignal<Scene | null>;
  preview: Preview;
  /** The scores of the grid of heads, null until they are loaded. */
  scores: ReadonlySignal<ScoresReply | null>;
  /** Why there are no scores: the score's own error; "" while they are computed. */
  failure: ReadonlySignal<string>;
  /** How well the picked heads agree with the sentence's reference; null until it is known. */
  alignment: ReadonlySignal<AlignmentReply | null>;
}

export function createLoader(sources: Sources, subject: Subject, closing: AbortSignal): Loader {
  const picked = followScene(
    sources,
    () => firstPick(sources.store),
    ({ sentence, heads }) => sources.store.set({ sentence, ...pickPatch(heads) }),
  );
  const preview = followPreview(sources, picked, closing);
  return {
    scene: computed(() => preview.scene.value ?? picked.value),
    picked,
    preview,
    ...followScores(sources, subject),
    alignment: followAlignment(sources, picked),
  };
}

/** What is drawn of a pick, as the options say. */
export function specOf(store: Store, { sentence, heads }: Pick): SceneSpec {
  return {
    sentence,
    heads,
    aggregate: store.get("aggregate"),
    combined: store.get("combined"),
    words: store.get("words"),
    drop: dropOf(store.get("special")),
    reading: readingOf(store.get("reading")),
    moved: movedHeads(store, sentence),
    divided: isDivided(store, sentence),
  };
}

function followPreview(
  { data, store, frames }: Sources,
  picked: ReadonlySignal<Scene | null>,
  closing: AbortSignal,
): Preview {
  const spec = (...heads: Head[]) => specOf(store, { sentence: store.get("sentence"), heads });
  return createPreview(
    {
      picked,
      isLoaded: (head) => {
        const sentence = store.get("sentence");
        return data.hasLayer(sentence, head[0], isDivided(store, sentence));
      },
      build: (head, signal) => buildScene(data, spec(head), signal, () => {}),
      follow: frames.follow,
      settings: spec,
    },
    closing,
  );
}

/**
 * The scene of the pick that `pick` reads from the traits; while it returns null, nothing is loaded. A pick that can no
 * longer be loaded, since the kernel is gone, is taken back by `restore`.
 */
export function followScene(
  { data, store, errands, frames, connection }: Sources,
  pick: () => Pick | null,
  restore: (shown: Pick) => void,
): ReadonlySignal<Scene | null> {
  const scene = signal<Scene | null>(null);
  /** The pick to which the traits were restored; the message about it stays while it is shown. */
  let restored: Pick | null = null;
  const errand = errands.add({ retry: refresh });

  function refresh(): void {
    const picked = pick();
    if (!picked) return;
    void load(specOf(store, picked));
  }

  async function load(spec: SceneSpec): Promise<void> {
    const run = errand.start();
    const { sentence, heads } = spec;
    const isRestored = restored !== null && equal(restored, { sentence, heads });
    let part = "This sentence";
    if (scene.peek()?.spec.sentence !== spec.sentence) errands.loading.value = "loading the sentence…";
    try {
      const built = await buildScene(data, spec, run, (layer) => {
        part = `Layer ${layer} of this sentence`;
        if (!run.aborted) errands.loading.value = `loading layer ${layer}…`;
      });
      if (run.aborted) return;
      scene.value = built;
      if (!isRestored) {
        restored = null;
        errand.settle(null);
      }
    } catch (error) {
      if (run.aborted) return;
      const shown = scene.peek()?.spec;
      const line = connection.line.peek();
      if (line === "closed" && shown) {
        restored = { sentence: shown.sentence, heads: shown.heads };
        restore(restored);
        errand.settle(`${part} was not loaded before.`);
      } else {
        // The old weights under the new choice of heads would be wrong, unless it is said that they wait for new ones.
        if (line === "open") scene.value = null;
        const stale = line === "silent" && shown ? "; the picture is the one before" : "";
        errand.settle(`The weights could not be loaded: ${errorText(error)}${stale}`);
      }
    }
    errands.loading.value = "";
  }

  frames.follow(refresh);
  return scene;
}

function followScores(
  { data, store, errands, frames, connection }: Sources,
  subject: Subject,
): { scores: Loader["scores"]; failure: Loader["failure"] } {
  const scores = signal<ScoresReply | null>(null);
  const failure = signal("");
  const sentence = computed(() => subject.pick().sentence);
  const errand = errands.add({ retry: refresh });
  /** What was shown last, for when the kernel is gone. */
  let last: { sentence: number; name: string; reply: ScoresReply } | null = null;
  let isRestored = false;
  // The user may have redefined a score's function.
  frames.watch(() => {
    if (store.get("score_list")) data.forgetScores();
  });

  function refresh(): void {
    const name = store.get("score_name");
    void load(sentence.value, name, shownRows(store, sentence.value, name));
  }

  async function load(sentence: number, name: string, shown: ShownRows | null): Promise<void> {
    const run = errand.start();
    scores.value = null;
    failure.value = "";
    try {
      const reply = await data.scores(sentence, name, shown);
      if (run.aborted) return;
      scores.value = reply;
      if (!(isRestored && last?.sentence === sentence && last.name === name)) {
        isRestored = false;
        errand.settle(null);
      }
      last = { sentence, name, reply };
    } catch (error) {
      if (run.aborted) return;
      if (connection.line.peek() === "closed") {
        errand.settle(`The score "${name}" of this sentence was not loaded before.`);
        isRestored = last?.sentence === sentence && last.name !== name;
        if (last && isRestored) store.set({ score_name: last.name });
        else failure.value = "not loaded before the kernel was gone";
        return;
      }
      failure.value = errorText(error);
      errand.settle(`The score "${name}" could not be computed: ${errorText(error)}`);
    }
  }

  frames.follow(refresh);
  return { scores, failure };
}

function followAlignment(
  { data, store, errands, frames, connection }: Sources,
  scene: ReadonlySignal<Scene | null>,
): ReadonlySignal<AlignmentReply | null> {
  const alignment = signal<AlignmentReply | null>(null);
  const errand = errands.add({ quiet: true, retry: refresh });

  function refresh(): void {
    alignment.value = null;
    if (scene.value?.reply.reference) void load(scene.value.spec);
    else {
      errand.start();
      errand.settle(null);
    }
  }

  async function load(spec: SceneSpec): Promise<void> {
    const { sentence, heads, aggregate } = spec;
    const run = errand.start();
    try {
      const reply = await data.alignment(sentence, heads, aggregate, rowNamesOf(spec));
      if (run.aborted) return;
      alignment.value = reply;
      errand.settle(null);
    } catch (error) {
      // Without a kernel there are the error rates of few picks.
      if (!run.aborted && store.get("info").has_kernel && connection.line.peek() !== "closed")
        errand.settle(`The alignment could not be computed: ${errorText(error)}`);
    }
  }

  frames.follow(refresh);
  return alignment;
}
