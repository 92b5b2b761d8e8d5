// A small model with a scripted kernel, for tests of transport, state and panel.

import type { Axis, SentenceInfo, Traits } from "../src/core/contract";
import type { Model, ModelCallback } from "../src/core/model";
import type { Scene } from "../src/core/scene";
import { makeUnits } from "../src/core/units";
import { createStaticModel, type StaticState } from "../src/page/model";

export function axis(labels: string[], special: number[] = [], groups?: number[], words?: string[]): Axis {
  return {
    labels,
    special: labels.map((_, i) => special.includes(i)),
    groups: groups ?? labels.map((_, i) => (special.includes(i) ? -1 : i)),
    words: words ?? labels,
    kind: "text",
    places: null,
  };
}

export function sentenceInfo(patch: Partial<SentenceInfo> = {}): SentenceInfo {
  return { source: "a b", target: "x y", name: "", model: "Toy", layers: 2, heads: 2, ...patch };
}

export function traits(patch: Partial<Traits> = {}): Traits {
  return {
    info: { layers: 2, heads: 2, model: "Toy", sentences: [sentenceInfo()], has_kernel: true },
    score_list: [
      { name: "entropy", direction: "lower", description: "how spread out", signature: "entropy|v:1" },
    ],
    sentence: 0,
    layer: 0,
    head: 0,
    heads: [[0, 0]],
    target_index: null,
    source_index: null,
    score_name: "entropy",
    over: "sentence",
    aggregate: "mean",
    combined: false,
    keep: "threshold",
    threshold: 0,
    top_k: 3,
    mass: 0.9,
    words: false,
    special: "show",
    as_shown: false,
    divide_sinks: false,
    reading: "output",
    orientation: "columns",
    panel: "lines",
    compare: null,
    second_score: "",
    zoom: false,
    table: false,
    sound_weights: "cropped",
    word_times_by: "known",
    image_opacity: 0.65,
    image_outline: "half",
    image_picture: true,
    image_grid: true,
    image_reference: true,
    sentence_order: "highest",
    theme: "light",
    muted: [],
    live: { why: "", busy: "", error: "", effect: null },
    ...patch,
  };
}

/** Bytes as zlib packs them, uncompressed, in base64. */
export function packed(bytes: number[]): string {
  const [low, high] = [bytes.length & 255, bytes.length >> 8];
  let [a, b] = [1, 0];
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  const sum = [b >> 8, b & 255, a >> 8, a & 255];
  const whole = [0x78, 0x01, 1, low, high, 255 - low, 255 - high, ...bytes, ...sum];
  return btoa(String.fromCharCode(...whole));
}

/** The state of a page with one sentence, the same labels on both sides, and a model of two layers of two heads. */
export function state(labels: string[] = ["a", "b", "</s>"], patch: Partial<Traits> = {}): StaticState {
  const size = labels.length;
  const bytes = Array.from({ length: 2 * size * size }, (_, i) => (i * 37) % 256);
  const heads = [bytes.slice(0, size * size), bytes.slice(size * size)].map(packed);
  return {
    traits: traits(patch),
    sentences: [
      {
        sentence: {
          source: axis(labels, [size - 1]),
          target: { output: axis(labels, [size - 1]), input: axis(labels, [0]) },
          logprobs: labels.map(() => -0.5),
          generated: false,
          reference: null,
          reference_boxes: null,
          notes: ["a note"],
        },
        layers: [0, 1].map(() => ({ shape: [2, size, size], heads: [...heads] })),
        scores: {
          entropy: {
            values: [
              [0.5, 0.25],
              [null, 0.75],
            ],
            signature: "entropy|v:1",
          },
        },
      },
    ],
  };
}

/** Wraps a model and counts the listeners on it. */
export function counted(
  inner: Model = createStaticModel(state()),
): Model & { listeners: number; saves: number } {
  const model = {
    listeners: 0,
    saves: 0,
    get: inner.get,
    set: inner.set,
    send: inner.send,
    save_changes() {
      model.saves += 1;
    },
    on(event: string, callback: ModelCallback) {
      model.listeners += 1;
      inner.on(event, callback);
    },
    off(event?: string | null, callback?: ModelCallback | null) {
      model.listeners -= 1;
      inner.off(event, callback);
    },
  };
  return model;
}

/** Waits until the panel has had time to ask, be answered and draw. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 6; i++) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** A scene of one head. */
export function scene(
  target: string[] | Axis,
  source: string[] | Axis,
  weights: number[],
  more: Partial<Scene> = {},
): Scene {
  const [t, s] = [target, source].map((side) => (Array.isArray(side) ? axis(side) : side)) as [Axis, Axis];
  const options = { words: more.spec?.words ?? false, drop: "nothing" } as const;
  const matrix = Float32Array.from(weights);
  return {
    spec: {
      sentence: 0,
      heads: [[0, 0]],
      aggregate: "mean",
      combined: false,
      words: false,
      drop: "nothing",
      reading: "output",
      moved: [],
      divided: false,
    },
    reply: {
      source: s,
      target: { output: t, input: t },
      logprobs: null,
      generated: false,
      reference: null,
      reference_boxes: null,
      notes: [],
    },
    source: makeUnits(s, options),
    target: makeUnits(t, options),
    sets: [matrix],
    aggregate: matrix,
    aggregated: false,
    top: 1,
    dropped: null,
    ...more,
  };
}
