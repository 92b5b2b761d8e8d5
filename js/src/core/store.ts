// The model's traits as signals: whoever reads one while drawing is drawn again when it changes.
import { batch, type Signal, signal } from "@preact/signals-core";
import type { Traits } from "./contract";
import { equal } from "./equal";
import type { Model } from "./model";

export interface Store<T = Traits> {
  get<K extends keyof T & string>(name: K): T[K];
  /** Sets the traits that differ and tells Python once. */
  set(patch: Partial<T>): void;
}

export function createStore<T = Traits>(model: Model, closing: AbortSignal): Store<T> {
  const traits = new Map<string, Signal<unknown>>();

  function trait(name: string): Signal<unknown> {
    const known = traits.get(name);
    if (known) return known;
    const value = signal<unknown>(model.get(name));
    const changed = () => {
      value.value = model.get(name);
    };
    model.on(`change:${name}`, changed);
    closing.addEventListener("abort", () => model.off(`change:${name}`, changed), { once: true });
    traits.set(name, value);
    return value;
  }

  return {
    get: <K extends keyof T & string>(name: K) => trait(name).value as T[K],
    set(patch) {
      const changes = Object.entries(patch).filter(([name, value]) => !equal(model.get(name), value));
      if (changes.length === 0) return;
      batch(() => {
        for (const [name, value] of changes) model.set(name, value);
      });
      model.save_changes();
    },
  };
}
