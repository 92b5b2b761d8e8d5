// Tracks what is being loaded or saved and what failed. One error is shown at a time, with a way to try again.
import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals-core";

export interface Errand {
  /** Begins a run and ends the previous one by aborting its signal. */
  start(): AbortSignal;
  /** Reports a failure, or with null a success. */
  settle(error: string | null): void;
}

export interface ErrandOptions {
  /** An error that comes from pointing alone, or from a button below the view, is shown below it. */
  quiet?: boolean;
  retry?(): void;
}

export interface Errands {
  add(options?: ErrandOptions): Errand;
  /** The error of the first loud errand that failed, else of the first quiet one. */
  error: ReadonlySignal<{ text: string; quiet: boolean } | null>;
  /** What the panel waits for, in words; "" for nothing. */
  loading: Signal<string>;
  retry(): void;
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function createErrands(closing: AbortSignal): Errands {
  const errors = signal<ReadonlyMap<ErrandOptions, string>>(new Map());
  const list: ErrandOptions[] = [];

  return {
    loading: signal(""),
    error: computed(() => {
      const failed = list.filter((options) => errors.value.has(options));
      const first = failed.find(({ quiet }) => !quiet) ?? failed[0];
      return first ? { text: errors.value.get(first) ?? "", quiet: first.quiet ?? false } : null;
    }),
    add(options = {}) {
      list.push(options);
      let run = new AbortController();
      closing.addEventListener("abort", () => run.abort(), { once: true });
      return {
        start() {
          run.abort();
          run = new AbortController();
          if (closing.aborted) run.abort();
          return run.signal;
        },
        settle(error) {
          const next = new Map(errors.peek());
          if (error === null ? !next.delete(options) : next.get(options) === error) return;
          if (error !== null) next.set(options, error);
          errors.value = next;
        },
      };
    },
    retry() {
      const failed = list.filter((options) => errors.peek().has(options));
      errors.value = new Map();
      for (const options of failed) options.retry?.();
    },
  };
}
