// Loads what the view of sound shows while it is open: the sound, its features, the times of the words, and the weights
// of the picked heads.
import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals-core";
import { placeAt } from "../core/axis";
import { decodeHead } from "../core/codec";
import type { Context } from "../core/context";
import type { Head, SoundInfo, SoundWeights, WordTimesReply } from "../core/contract";
import type { MediaFile } from "../core/data";
import { equal } from "../core/equal";
import { type Errand, errorText } from "../core/errands";
import type { Scene } from "../core/scene";
import { type Amplitudes, decodeGray, decodeSamples, type Gray, peakAmplitudes } from "./pictures";
import { NO_TIMING, type Timing, timingOf } from "./rows";
import { timingHeads } from "./timed_by";
import type { Span } from "./timeline";
import { type CapturedHead, type HeadStrips, type Heard, hear, stripCount } from "./weights";

/** The weights as they are shown, together with what they belong to. */
export interface Weights {
  scene: Scene;
  kind: SoundWeights;
  heard: Heard;
  /** The time of each shown position. */
  places: readonly Span[];
}

export interface SoundSource {
  /** What is known of the sound of the shown record; null where it holds none. */
  info: ReadonlySignal<SoundInfo | null>;
  file: ReadonlySignal<MediaFile | null>;
  /** Why the sound cannot be played; "" while it can or is loaded. */
  silence: ReadonlySignal<string>;
  amplitudes: ReadonlySignal<Amplitudes | null>;
  gray: ReadonlySignal<Gray | null>;
  times: ReadonlySignal<WordTimesReply | null>;
  /** Why the times are not those of the chosen heads; "" where they are. */
  refused: ReadonlySignal<string>;
  weights: ReadonlySignal<Weights | null>;
  /** The weights of each picked head; null where they are drawn as one. */
  strips: ReadonlySignal<HeadStrips | null>;
  timing: ReadonlySignal<Timing>;
}

/** Where a record's positions lie in time: evenly over the sound where that is unknown. */
export function placesOf({ reply }: Scene, seconds: number): Span[] {
  const { source } = reply;
  const count = source.labels.length;
  return source.labels.map((_, position) => {
    const [start, end] = placeAt(source, position) ?? [];
    if (start !== undefined && end !== undefined) return { start, end };
    return { start: (position * seconds) / count, end: ((position + 1) * seconds) / count };
  });
}

/** The positions inside the sound. */
export function heardPositions({ reply }: Scene): number[] {
  const { labels, special } = reply.source;
  return labels.flatMap((_, position) => (special[position] ? [] : [position]));
}

/** Where the sound of a record ends: by its samples, or else by its last position inside. */
export function secondsOf(scene: Scene | null, info: SoundInfo | null): number {
  if (info) return info.seconds;
  if (!scene) return 0;
  return heardPositions(scene).reduce(
    (end, position) => Math.max(end, placeAt(scene.reply.source, position)?.[1] ?? 0),
    0,
  );
}

export function createSoundSource(context: Context, isOpen: () => boolean): SoundSource {
  const { data, store, loader, errands, frames } = context;
  const info = computed(() => store.get("info").sentences[store.get("sentence")]?.sound ?? null);
  const file = signal<MediaFile | null>(null);
  const silence = signal("");
  const samples = signal<Amplitudes | null>(null);
  const gray = signal<Gray | null>(null);
  const times = signal<WordTimesReply | null>(null);
  const refused = signal("");
  const weights = signal<Weights | null>(null);
  const strips = signal<HeadStrips | null>(null);
  /** A record that an experiment replaces keeps its place. */
  const record = () => {
    const sentence = store.get("sentence");
    return { sentence, version: store.get("info").sentences[sentence]?.version };
  };

  /** Loads something while the view is open, whenever what it is about changes. */
  function follow<Subject extends { sentence: number }>(
    name: string,
    subjectOf: () => Subject,
    load: (subject: Subject, run: AbortSignal) => Promise<void>,
    fails?: (reason: string) => void,
  ): void {
    let last: Subject | null = null;
    const errand = errands.add({ quiet: true, retry: () => last && void start(last) });
    async function start(subject: Subject): Promise<void> {
      const run = errand.start();
      errand.settle(null);
      try {
        await load(subject, run);
      } catch (error) {
        if (run.aborted) return;
        if (fails) fails(errorText(error));
        else errand.settle(`${name} could not be loaded: ${errorText(error)}`);
      }
    }
    frames.follow(() => {
      if (!isOpen()) return;
      const next = subjectOf();
      if (equal(next, last)) return;
      last = next;
      void start(next);
    });
  }

  follow(
    "The sound",
    record,
    async ({ sentence }, run) => {
      file.value = null;
      samples.value = null;
      const known = info.peek();
      silence.value = known ? "" : "This record holds no sound.";
      if (!known) return;
      const loaded = await data.sound(sentence);
      if (run.aborted) return;
      file.value = loaded;
      const decoded = await decodeSamples(loaded, known.rate);
      if (!run.aborted) samples.value = decoded;
    },
    (reason) => {
      silence.value = `The sound is not here: ${reason}.`;
    },
  );
  follow(
    "The picture of the sound",
    record,
    async ({ sentence }, run) => {
      gray.value = null;
      if (!info.peek()?.features) return;
      const picture = await decodeGray(await data.features(sentence));
      if (!run.aborted) gray.value = picture;
    },
    () => {},
  );
  let timed: object | null = null;
  follow(
    "The times of the words",
    () => ({ ...record(), heads: timingHeads(store.get("word_times_by"), info.value, store.get("heads")) }),
    async ({ heads, ...shown }, run) => {
      // Other heads of the same record: the times stay until the new ones are there.
      if (!equal(timed, shown)) times.value = null;
      timed = shown;
      const { sentence } = shown;
      let reason = "";
      const reply = await data.wordTimes(sentence, heads).catch((error: unknown) => {
        // A page has the times by few sets of heads, and a record may not keep all of a set.
        if (heads.length === 0) throw error;
        reason = errorText(error);
        return data.wordTimes(sentence, []);
      });
      if (run.aborted) return;
      refused.value = reason;
      times.value = reply;
    },
  );

  /** Fills a signal; a later call for the same errand overtakes an earlier one. */
  async function fill<T>(
    errand: Errand,
    target: Signal<T | null>,
    load: () => Promise<T>,
    what: string,
  ): Promise<void> {
    const run = errand.start();
    try {
      const next = await load();
      if (run.aborted) return;
      target.value = next;
      errand.settle(null);
    } catch (error) {
      if (!run.aborted) errand.settle(`${what} could not be shown: ${errorText(error)}`);
    }
  }
  const errand = errands.add({ quiet: true });
  frames.follow(() => {
    const scene = loader.scene.value;
    const kind = store.get("sound_weights");
    if (isOpen() && scene) void fill(errand, weights, () => weightsOf(context, scene, kind), "The weights");
  });
  const stripErrand = errands.add({ quiet: true });
  frames.follow(() => {
    const scene = loader.picked.value;
    const count = scene ? stripCount(scene.spec.heads, store.get("combined")) : 0;
    if (!isOpen() || !scene) return;
    if (count > 0) {
      const [heads, kind] = [scene.spec.heads.slice(0, count), store.get("sound_weights")];
      void fill(stripErrand, strips, () => stripsOf(context, scene, heads, kind), "The heads");
    } else {
      stripErrand.start();
      strips.value = null;
    }
  });

  return {
    info,
    file,
    silence,
    amplitudes: computed(() => samples.value ?? (info.value ? peakAmplitudes(info.value.peaks) : null)),
    gray,
    times,
    refused,
    weights,
    strips,
    timing: computed(() => {
      const [reply, scene] = [times.value, weights.value?.scene];
      return reply && scene ? timingOf(reply, scene.target, scene.spec.reading) : NO_TIMING;
    }),
  };
}

/** The weights of a scene's heads; its layers are in the cache, since the scene was built from them. */
export async function weightsOf(context: Loading, scene: Scene, kind: SoundWeights): Promise<Weights> {
  const captured = await capturedHeads(context, scene, scene.spec.heads);
  return { scene, kind, ...heardOf(context, scene, kind, captured) };
}

/** The weights of single heads of a scene. */
async function stripsOf(
  context: Loading,
  scene: Scene,
  heads: readonly Head[],
  kind: SoundWeights,
): Promise<HeadStrips> {
  const captured = await capturedHeads(context, scene, heads);
  const each = captured.map((head) => heardOf(context, scene, kind, [head]));
  return { heads, weights: each.map(({ heard }) => heard), places: each[0]?.places ?? [] };
}

type Loading = Pick<Context, "data" | "store">;

function capturedHeads({ data }: Loading, scene: Scene, heads: readonly Head[]): Promise<CapturedHead[]> {
  const size = scene.source.assign.length * scene.target.assign.length;
  return Promise.all(
    heads.map(async ([number, head]) => {
      const layer = await data.layer(scene.spec.sentence, number);
      return { weights: decodeHead(layer.bytes, head, size), outside: layer.outside?.[head] ?? null };
    }),
  );
}

function heardOf({ store }: Loading, scene: Scene, kind: SoundWeights, heads: readonly CapturedHead[]) {
  const inside = heardPositions(scene);
  const info = store.get("info").sentences[scene.spec.sentence]?.sound ?? null;
  const all = placesOf(scene, secondsOf(scene, info));
  const { assign } = scene.source;
  const heard = hear(heads, assign.length, inside, scene.target, kind, scene.spec.aggregate);
  const places = kind === "raw" ? all : inside.map((position) => all[position] ?? { start: 0, end: 0 });
  return { heard, places };
}
