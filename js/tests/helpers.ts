// A small model with a scripted kernel, for tests of transport, state and panel.

import type { Axis, Model, ModelCallback, SentenceInfo, Traits } from "../src/core/contract";
import { createStaticModel, type StaticState } from "../src/page/model";

export function axis(labels: string[], special: number[] = [], groups?: number[], words?: string[]): Axis {
  return {
    labels,
    special: labels.map((_, i) => special.includes(i)),
    groups: groups ?? labels.map((_, i) => (special.includes(i) ? -1 : i)),
    words: words ?? labels,
  };
}

export function sentenceInfo(patch: Partial<SentenceInfo> = {}): SentenceInfo {
  return { source: "a b", target: "x y", name: "", model: "Toy", layers: 2, heads: 2, ...patch };
}

export function traits(patch: Partial<Traits> = {}): Traits {
  return {
    info: { layers: 2, heads: 2, model: "Toy", sentences: [sentenceInfo()], live: true },
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
    aggregate: "mean",
    keep: "threshold",
    threshold: 0,
    top_k: 3,
    mass: 0.9,
    words: false,
    special: "show",
    reading: "output",
    orientation: "columns",
    panel: "lines",
    compare: null,
    second_score: "",
    zoom: false,
    table: false,
    theme: "light",
    muted: [],
    live: { why: "", busy: "", error: "", effect: null },
    ...patch,
  };
}

function base64(bytes: number[]): string {
  return btoa(String.fromCharCode(...bytes));
}

export function state(labels: string[] = ["a", "b", "</s>"], patch: Partial<Traits> = {}): StaticState {
  const size = labels.length;
  const reply = {
    source: axis(labels, [size - 1]),
    target: { output: axis(labels, [size - 1]), input: axis(labels, [0]) },
    logprobs: labels.map(() => -0.5),
    generated: false,
    reference: null,
    notes: ["a note"],
  };
  const bytes = Array.from({ length: 2 * size * size }, (_, i) => (i * 37) % 256);
  return {
    traits: { ...traits(patch) },
    replies: [
      { request: { kind: "sentence", sentence: 0 }, reply, buffers: [] },
      ...[0, 1].map((layer) => ({
        request: { layer, kind: "layer", sentence: 0 },
        reply: { shape: [2, size, size] },
        buffers: [base64(bytes)],
      })),
      {
        request: { kind: "scores", sentence: 0, name: "entropy" },
        reply: {
          values: [
            [0.5, 0.25],
            [null, 0.75],
          ],
          signature: "entropy|v:1",
        },
        buffers: [],
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
