// When things happen: once per animation frame, and only where a signal that was read has changed.
import { effect } from "@preact/signals-core";

export interface Frames {
  /** Runs at once, and again at every change of a signal that it read. */
  watch(run: () => void): void;
  /** Runs at once, and again in the frame after a change. */
  follow(run: () => void): void;
  /** Runs in the next frame, and again in the frame after a change. */
  draw(run: () => void): void;
  /** Looks in the next frame whether the panel is laid out by now. */
  look(): void;
  /** Runs at once what waits for a frame, for events that allow none: the page is about to be printed. */
  finish(): void;
}

/** Adds reasons for the next frame. */
export interface Frame<K> {
  (...added: K[]): void;
  /** Ends the frame at once; returns whether anything waited for it. */
  finish(): boolean;
}

/** Collects reasons and calls `flush` once per animation frame with all of them. */
export function createFrame<K>(flush: (reasons: ReadonlySet<K>) => void, closing: AbortSignal): Frame<K> {
  let reasons = new Set<K>();
  let handle: number | null = null;
  closing.addEventListener("abort", () => handle !== null && cancelAnimationFrame(handle), { once: true });

  function end(): void {
    handle = null;
    const due = reasons;
    reasons = new Set();
    flush(due);
  }
  function add(...added: K[]): void {
    if (closing.aborted) return;
    for (const reason of added) reasons.add(reason);
    handle ??= requestAnimationFrame(end);
  }
  function finish(): boolean {
    if (handle === null) return false;
    cancelAnimationFrame(handle);
    end();
    return true;
  }
  return Object.assign(add, { finish });
}

/**
 * Runs in the order in which they were set up, whatever changed first: anything drawn on top of something else runs
 * after it. While the host does not lay the panel out, everything waits.
 */
export function createFrames(isLaidOut: () => boolean, closing: AbortSignal): Frames {
  const order = new Map<() => void, number>();
  const waiting = new Set<() => void>();
  const look = () => {};
  const schedule = createFrame<() => void>((due) => {
    const first = waiting.size === 0;
    for (const run of due) waiting.add(run);
    if (!isLaidOut()) {
      // JupyterLab hides everything for part of a frame when it changes its theme, which no observer sees: look once
      // more in the next frame. The end of a longer pause is reported by the observer of the panel's size.
      if (first) schedule(look);
      return;
    }
    const runs = [...waiting].sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0));
    waiting.clear();
    for (const run of runs) run();
  }, closing);

  function watch(run: () => void): () => void {
    const stop = effect(() => {
      run();
    });
    closing.addEventListener("abort", stop, { once: true });
    return stop;
  }

  /** `run`, scheduled again whenever a value that it read changes. */
  function tracked(run: () => void): () => void {
    let stop = () => {};
    closing.addEventListener("abort", () => stop(), { once: true });
    const again = () => {
      stop();
      let done = false;
      stop = effect(() => {
        if (done) schedule(again);
        else {
          done = true;
          run();
        }
      });
    };
    order.set(again, order.size);
    return again;
  }

  return {
    watch: (run) => void watch(run),
    follow: (run) => tracked(run)(),
    draw: (run) => schedule(tracked(run)),
    look: () => schedule(look),
    finish() {
      // What runs may change a signal that something else waits for.
      while (schedule.finish());
    },
  };
}
