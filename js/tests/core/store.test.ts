// Traits as signals, frames, and picks.

import { effect } from "@preact/signals-core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { TraitName } from "../../src/core/contract";
import { createFrame } from "../../src/core/frames";
import { pickPatch, togglePick } from "../../src/core/picks";
import { createStore, type Store } from "../../src/core/store";
import { counted, traits } from "../helpers";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Calls `changed` with the name of each trait that changes; the function that it returns stops that. */
function watchAll(store: Store, changed: (name: TraitName) => void): () => void {
  const stops = (Object.keys(traits()) as TraitName[]).map((name) => {
    let first = true;
    return effect(() => {
      if (store.get(name) !== undefined && !first) changed(name);
      first = false;
    });
  });
  return () => {
    for (const stop of stops) stop();
  };
}

describe("state", () => {
  it("sets what differs, saves once, and tells listeners until they leave", () => {
    const model = counted();
    const store = createStore(model, new AbortController().signal);
    const heard: string[] = [];
    const leave = watchAll(store, (name) => heard.push(name));
    store.set({ heads: [[1, 1]], layer: 1, head: 1, words: false });
    expect([model.saves, heard.sort()]).toEqual([1, ["head", "heads", "layer"]]);
    store.set({ layer: 1 });
    expect(model.saves).toBe(1);
    leave();
    store.set({ layer: 0 });
    expect(heard).toHaveLength(3);
  });

  it("takes its listeners off the model", () => {
    const model = counted();
    const closing = new AbortController();
    createStore(model, closing.signal).get("layer");
    expect(model.listeners).toBeGreaterThan(0);
    closing.abort();
    expect(model.listeners).toBe(0);
  });

  it("batches reasons to one flush a frame", () => {
    const flushes: string[][] = [];
    const closing = new AbortController();
    const add = createFrame<string>((reasons) => void flushes.push([...reasons]), closing.signal);
    add("a");
    add("b", "a");
    vi.advanceTimersByTime(40);
    expect(flushes).toEqual([["a", "b"]]);
    add("c");
    closing.abort();
    vi.advanceTimersByTime(40);
    expect(flushes).toHaveLength(1);
  });

  it("adds and removes heads, and never leaves none", () => {
    expect(togglePick([[0, 0]], [1, 1])).toEqual([
      [0, 0],
      [1, 1],
    ]);
    expect(
      togglePick(
        [
          [0, 0],
          [1, 1],
        ],
        [0, 0],
      ),
    ).toEqual([[1, 1]]);
    expect(togglePick([[0, 0]], [0, 0])).toEqual([[0, 0]]);
    expect(
      pickPatch([
        [0, 0],
        [2, 3],
      ]),
    ).toEqual({
      heads: [
        [0, 0],
        [2, 3],
      ],
      layer: 2,
      head: 3,
    });
  });
});
