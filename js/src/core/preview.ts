// The preview of a head: its scene is drawn while it is pointed at. Nothing is picked, and no trait changes.
import { computed, type ReadonlySignal, signal } from "@preact/signals-core";
import type { Head } from "./contract";
import { equal } from "./equal";
import { sameHead } from "./picks";
import type { Scene } from "./scene";

/** A pointer that only passes over heads loads nothing, in milliseconds. */
const DELAY = 80;

export interface Preview {
  /** The scene of the head that is pointed at, once it is loaded; null while the picked heads are shown. */
  scene: ReadonlySignal<Scene | null>;
  /** The same, also for a head that is picked. */
  pointed: ReadonlySignal<Scene | null>;
  /** Points at a head, or with null at none. */
  point(head: Head | null): void;
  /** The head that is pointed at is being picked: its scene stays until that of the pick is there. */
  settle(): void;
}

export interface PreviewSources {
  /** The scene of the picked heads. */
  picked: ReadonlySignal<Scene | null>;
  /** Whether the weights of a head are in the cache. */
  isLoaded(head: Head): boolean;
  /** The scene of one head, with the settings of the view. */
  build(head: Head, signal: AbortSignal): Promise<Scene>;
  /** Runs again whenever a setting that the scene depends on changes. */
  follow(run: () => void): void;
  /** What a scene depends on, apart from its head. */
  settings(): unknown;
}

export function createPreview(
  { picked, isLoaded, build, follow, settings }: PreviewSources,
  closing: AbortSignal,
): Preview {
  const built = signal<Scene | null>(null);
  let pointed: Head | null = null;
  /** Whether the head that is pointed at has been picked: it is not previewed again before another was. */
  let settled = false;
  /** Counts the changes of settings: what was built before one is not shown after it. */
  let round = 0;
  /** Whether a layer is on its way; only one is requested at a time. */
  let busy = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  closing.addEventListener("abort", () => clearTimeout(timer), { once: true });

  const isWanted = (head: Head) =>
    !closing.aborted && !settled && pointed !== null && sameHead(pointed, head);

  /** Until the head is there, the one before stays: going back to the picked heads in between would flicker. */
  function show(head: Head): void {
    clearTimeout(timer);
    if (isLoaded(head)) void load(head);
    else timer = setTimeout(() => void loadLatest(), DELAY);
  }

  async function load(head: Head): Promise<void> {
    const started = round;
    // A page of limited size may not have the weights; then there is no preview.
    const scene = await build(head, closing).catch(() => null);
    if (isWanted(head) && started === round) built.value = scene;
  }

  /** Loads what is pointed at, and then what is pointed at by the time that it has arrived. */
  async function loadLatest(): Promise<void> {
    if (busy) return;
    busy = true;
    let [head, started] = [pointed, round];
    while (head && isWanted(head)) {
      await load(head);
      if (started === round && isWanted(head)) break;
      [head, started] = [pointed, round];
    }
    busy = false;
  }

  follow(() => {
    settings();
    round += 1;
    built.value = null;
    if (pointed && !settled) show(pointed);
  });
  follow(() => {
    void picked.value;
    if (settled) built.value = null;
  });

  return {
    pointed: built,
    scene: computed(() => {
      const scene = built.value;
      const [head] = scene?.spec.heads ?? [];
      const heads = picked.value?.spec.heads ?? [];
      const isPicked = heads.length === 1 && head && heads[0] && sameHead(head, heads[0]);
      return isPicked ? null : scene;
    }),
    point(head) {
      if (equal(pointed, head)) return;
      pointed = head;
      settled = false;
      if (head) show(head);
      else {
        clearTimeout(timer);
        built.value = null;
      }
    },
    settle() {
      settled = true;
      clearTimeout(timer);
    },
  };
}
