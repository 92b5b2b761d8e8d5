// Loads every listed score of the shown sentence, each shown as soon as it arrives.
import { type ReadonlySignal, signal } from "@preact/signals-core";
import type { ScoresReply } from "../core/contract";
import { errorText } from "../core/errands";
import type { Sources } from "../core/loader";
import { shownRows } from "../core/scored_rows";

export interface Grids {
  /** The scores that have arrived, by name. */
  replies: ReadonlyMap<string, ScoresReply>;
  /** Why a score could not be computed, by name. */
  failures: ReadonlyMap<string, string>;
}

const NONE: Grids = { replies: new Map(), failures: new Map() };

export function followGrids(
  { data, store, errands, frames }: Sources,
  isOpen: () => boolean,
): ReadonlySignal<Grids> {
  const grids = signal(NONE);
  const errand = errands.add({ retry: refresh });

  function refresh(): void {
    if (!isOpen()) return;
    const run = errand.start();
    const sentence = store.get("sentence");
    grids.value = NONE;
    errand.settle(null);
    // All at once: the kernel computes them in the background, and a slow one does not delay the others.
    for (const { name } of store.get("score_list"))
      void load(name, data.scores(sentence, name, shownRows(store, sentence, name)), run);
  }

  async function load(name: string, asked: Promise<ScoresReply>, run: AbortSignal): Promise<void> {
    try {
      const reply = await asked;
      if (run.aborted) return;
      const { replies, failures } = grids.value;
      grids.value = { replies: new Map(replies).set(name, reply), failures };
    } catch (error) {
      if (run.aborted) return;
      const { replies, failures } = grids.value;
      grids.value = { replies, failures: new Map(failures).set(name, errorText(error)) };
      const failed = [...grids.value.failures].map(([which, why]) => `"${which}" (${why})`);
      errand.settle(`Scores that could not be computed: ${failed.join(", ")}`);
    }
  }

  frames.follow(refresh);
  return grids;
}
