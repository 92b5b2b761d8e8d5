// The model's traits as signals: whoever reads one while drawing is drawn again when it changes.
import { batch, type Signal, signal } from "@preact/signals-core";
import type { TraitName, Traits } from "./contract";
import { equal } from "./equal";
import type { Model } from "./model";

export interface Store {
  get<K extends TraitName>(name: K): Traits[K];
  /** Sets the traits that differ and tells Python once. */
  set(patch: Partial<Traits>): void;
}

export function createStore(model: Model, closing: AbortSignal): Store {
  const traits = new Map<TraitName, Signal<unknown>>();

  function trait(name: TraitName): Signal<unknown> {
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
    get: <K extends TraitName>(name: K) => trait(name).value as Traits[K],
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
