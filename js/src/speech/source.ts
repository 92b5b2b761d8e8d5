// Loads what the view of sound shows while it is open: the sound, its features, the times of the words, and the weights
// of the picked heads.
import { computed, type ReadonlySignal, signal } from "@preact/signals-core";
import { placeAt } from "../core/axis";
import { decodeHead } from "../core/codec";
import type { Context } from "../core/context";
import type { SoundInfo, SoundWeights, WordTimesReply } from "../core/contract";
import type { SoundFile } from "../core/data";
import { errorText } from "../core/errands";
import type { Scene } from "../core/scene";
import { type Amplitudes, decodeGray, decodeSamples, type Gray, peakAmplitudes } from "./pictures";
import { NO_TIMING, type Timing, timingOf } from "./rows";
import type { Span } from "./timeline";
import { type CapturedHead, type Heard, hear } from "./weights";

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
  file: ReadonlySignal<SoundFile | null>;
  /** Why the sound cannot be played; "" while it can or is loaded. */
  silence: ReadonlySignal<string>;
  amplitudes: ReadonlySignal<Amplitudes | null>;
  gray: ReadonlySignal<Gray | null>;
  times: ReadonlySignal<WordTimesReply | null>;
  weights: ReadonlySignal<Weights | null>;
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
  const file = signal<SoundFile | null>(null);
  const silence = signal("");
  const samples = signal<Amplitudes | null>(null);
  const gray = signal<Gray | null>(null);
  const times = signal<WordTimesReply | null>(null);
  const weights = signal<Weights | null>(null);
  /** A record that an experiment replaces keeps its place. */
  const shown = computed(() => {
    const sentence = store.get("sentence");
    return { sentence, version: store.get("info").sentences[sentence]?.version };
  });

  /** Loads something of each record that is shown, and `clear`s what was there before. */
  function follow(
    subject: string,
    clear: () => void,
    load: (sentence: number, run: AbortSignal) => Promise<void>,
    fails?: (reason: string) => void,
  ): void {
    let last: object | null = null;
    const errand = errands.add({ quiet: true, retry: () => void start() });
    async function start(): Promise<void> {
      const run = errand.start();
      clear();
      errand.settle(null);
      try {
        await load(shown.peek().sentence, run);
      } catch (error) {
        if (run.aborted) return;
        if (fails) fails(errorText(error));
        else errand.settle(`${subject} could not be loaded: ${errorText(error)}`);
      }
    }
    frames.follow(() => {
      if (!isOpen()) return;
      const next = shown.value;
      if (next === last) return;
      last = next;
      void start();
    });
  }

  follow(
    "The sound",
    () => {
      file.value = null;
      samples.value = null;
      silence.value = info.peek() ? "" : "This record holds no sound.";
    },
    async (sentence, run) => {
      const known = info.peek();
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
    () => {
      gray.value = null;
    },
    async (sentence, run) => {
      if (!info.peek()?.features) return;
      const picture = await decodeGray(await data.features(sentence));
      if (!run.aborted) gray.value = picture;
    },
    () => {},
  );
  follow(
    "The times of the words",
    () => {
      times.value = null;
    },
    async (sentence, run) => {
      const reply = await data.wordTimes(sentence, []);
      if (!run.aborted) times.value = reply;
    },
  );

  const errand = errands.add({ quiet: true });
  async function weigh(scene: Scene, kind: SoundWeights): Promise<void> {
    const run = errand.start();
    try {
      const next = await weightsOf(context, scene, kind);
      if (run.aborted) return;
      weights.value = next;
      errand.settle(null);
    } catch (error) {
      if (!run.aborted) errand.settle(`The weights could not be shown: ${errorText(error)}`);
    }
  }
  frames.follow(() => {
    const scene = loader.scene.value;
    if (isOpen() && scene) void weigh(scene, store.get("sound_weights"));
  });

  return {
    info,
    file,
    silence,
    amplitudes: computed(() => samples.value ?? (info.value ? peakAmplitudes(info.value.peaks) : null)),
    gray,
    times,
    weights,
    timing: computed(() => {
      const [reply, scene] = [times.value, weights.value?.scene];
      return reply && scene ? timingOf(reply, scene.target, scene.spec.reading) : NO_TIMING;
    }),
  };
}

/** The weights of a scene's heads; its layers are in the cache, since the scene was built from them. */
export async function weightsOf(
  { data, store }: Pick<Context, "data" | "store">,
  scene: Scene,
  kind: SoundWeights,
): Promise<Weights> {
  const { sentence, heads, aggregate } = scene.spec;
  const source = scene.source.assign.length;
  const size = source * scene.target.assign.length;
  const captured = await Promise.all(
    heads.map(async ([number, head]): Promise<CapturedHead> => {
      const layer = await data.layer(sentence, number);
      return { weights: decodeHead(layer.bytes, head, size), outside: layer.outside?.[head] ?? null };
    }),
  );
  const inside = heardPositions(scene);
  const info = store.get("info").sentences[sentence]?.sound ?? null;
  const all = placesOf(scene, secondsOf(scene, info));
  const heard = hear(captured, source, inside, scene.target, kind, aggregate);
  const places = kind === "raw" ? all : inside.map((position) => all[position] ?? { start: 0, end: 0 });
  return { scene, kind, heard, places };
}
