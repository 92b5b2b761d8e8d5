// Loads what a small widget needs to go on without a kernel, while nobody waits for anything.
import type { ReadonlySignal } from "@preact/signals-core";
import { untracked } from "@preact/signals-core";
import type { Info } from "./contract";
import type { Data } from "./data";
import type { Frames } from "./frames";
import type { Loader } from "./loader";
import type { Store } from "./store";
import type { Transport } from "./transport";

/** The layers of the sentences around the shown one are loaded ahead up to this size; the demo has 150 KB. */
export const AHEAD_BYTES = 4 * 1024 * 1024;

/** How long the panel rests before each request, at least, in milliseconds. */
const PAUSE = 50;
/** After this long a browser that is never idle has to take it all the same, in milliseconds. */
const LATEST = 2000;

export interface AheadSources {
  data: Data;
  store: Store;
  transport: Transport;
  loader: Pick<Loader, "scene" | "scores" | "failure">;
  frames: Frames;
  hasKernel: ReadonlySignal<boolean>;
}

/** The sentences that fit into a budget, the shown one first, then its neighbors. */
export function sentencesAhead({ sentences }: Info, shown: number, budget = AHEAD_BYTES): number[] {
  const near = sentences
    .map((_, sentence) => sentence)
    .sort((a, b) => Math.abs(a - shown) - Math.abs(b - shown));
  let left = budget;
  return near.filter((sentence) => {
    const { bytes = Number.POSITIVE_INFINITY } = sentences[sentence] ?? {};
    if (bytes > left) return false;
    left -= bytes;
    return true;
  });
}

/**
 * Requests one sentence at a time, with all layers and scores, after the first picture, when the browser is idle, the
 * page is visible and no other request waits.
 */
export function followAhead(
  { data, store, transport, loader, frames, hasKernel }: AheadSources,
  closing: AbortSignal,
): void {
  /** What was requested of each sentence: its layers are requested once, and its scores again when the list changes. */
  const asked = new Map<string, unknown>();
  let isAsking = false;
  let frame = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const keyOf = (sentence: number) => `${sentence} ${store.get("info").sentences[sentence]?.version ?? ""}`;

  function next(): number | undefined {
    const scores = store.get("score_list");
    return sentencesAhead(store.get("info"), store.get("sentence")).find(
      (sentence) => asked.get(keyOf(sentence)) !== scores,
    );
  }

  async function ask(): Promise<void> {
    const sentence = next();
    if (sentence === undefined) return;
    const layers = !asked.has(keyOf(sentence));
    asked.set(keyOf(sentence), store.get("score_list"));
    isAsking = true;
    // Whatever goes wrong: someone who wants it will request it, and see the error.
    await data.whole(sentence, layers).catch(() => {});
    isAsking = false;
    plan();
  }

  function run(): void {
    if (closing.aborted || isAsking || !hasKernel.peek()) return;
    if (transport.isBusy()) plan();
    else void ask();
  }

  function cancel(): void {
    clearTimeout(timer);
    cancelAnimationFrame(frame);
  }

  function plan(): void {
    cancel();
    if (closing.aborted || isAsking || untracked(next) === undefined) return;
    timer = setTimeout(() => {
      // A hidden page has no frames.
      frame = requestAnimationFrame(() => {
        if (typeof requestIdleCallback === "function") requestIdleCallback(run, { timeout: LATEST });
        else run();
      });
    }, PAUSE);
  }

  frames.watch(() => {
    const isPainted = loader.scene.value && (loader.scores.value || loader.failure.value);
    // Again when there are other sentences or scores, and when the kernel is back.
    void [store.get("info"), store.get("score_list"), store.get("sentence")];
    if (isPainted && hasKernel.value) plan();
  });
  closing.addEventListener("abort", cancel, { once: true });
}
