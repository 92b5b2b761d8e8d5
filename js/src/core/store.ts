// A typed store over the model's traits, with changes batched to one redraw per animation frame.
import type { Model, TraitName, Traits } from "./contract";

const TRAITS: readonly TraitName[] = [
  "info",
  "score_list",
  "sentence",
  "layer",
  "head",
  "heads",
  "target_index",
  "source_index",
  "score_name",
  "aggregate",
  "keep",
  "threshold",
  "top_k",
  "mass",
  "words",
  "special",
  "reading",
  "orientation",
  "panel",
  "compare",
  "second_score",
  "zoom",
  "table",
  "theme",
  "muted",
  "live",
];

export interface Store {
  get<K extends TraitName>(name: K): Traits[K];
  /** Sets the traits that differ and tells Python once. */
  set(patch: Partial<Traits>): void;
  subscribe(listener: (name: TraitName) => void): () => void;
}

export function createStore(model: Model, signal: AbortSignal): Store {
  const listeners = new Set<(name: TraitName) => void>();
  for (const name of TRAITS) {
    const changed = () => {
      for (const listener of [...listeners]) listener(name);
    };
    model.on(`change:${name}`, changed);
    signal.addEventListener("abort", () => model.off(`change:${name}`, changed), { once: true });
  }

  return {
    get: <K extends TraitName>(name: K) => model.get(name) as Traits[K],
    set(patch) {
      let dirty = false;
      for (const [name, value] of Object.entries(patch)) {
        if (JSON.stringify(model.get(name)) === JSON.stringify(value)) continue;
        model.set(name, value);
        dirty = true;
      }
      if (dirty) model.save_changes();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Collects reasons to redraw and calls `flush` once per animation frame with all of them. */
export function createFrame<K>(flush: (reasons: ReadonlySet<K>) => void, signal: AbortSignal) {
  let reasons = new Set<K>();
  let handle: number | null = null;
  signal.addEventListener("abort", () => handle !== null && cancelAnimationFrame(handle), { once: true });

  return (...added: K[]): void => {
    if (signal.aborted) return;
    for (const reason of added) reasons.add(reason);
    if (handle !== null) return;
    handle = requestAnimationFrame(() => {
      handle = null;
      const due = reasons;
      reasons = new Set();
      flush(due);
    });
  };
}
