// The scores: every head by every score, and two scores against each other.
import { computed, type ReadonlySignal } from "@preact/signals-core";
import { type Context, outlinesOf } from "../core/context";
import { h } from "../core/dom";
import type { View } from "../core/view";
import { followGrids, type Grids } from "./grids";
import { createScatter } from "./scatter";
import { createScoreTable } from "./table";

export interface ScoresView extends View {
  grids: ReadonlySignal<Grids>;
  /** The names of the scores of the scatter, along and upward. */
  axes: ReadonlySignal<readonly [x: string, y: string]>;
}

export function mountScores(context: Context): ScoresView {
  const { store, gestures, colors, frames, signal } = context;
  const isOpen = () => store.get("panel") === "scores";
  const grids = followGrids(context, isOpen);
  const axes = computed((): [string, string] => {
    const x = store.get("score_name");
    const other = store.get("score_list").find(({ name }) => name !== x)?.name ?? x;
    return [x, store.get("second_score") || other];
  });
  const table = createScoreTable(
    { pick: gestures.pick, sort: (score_name) => store.set({ score_name }) },
    signal,
  );
  const scatter = createScatter(
    { pick: gestures.pick, second: (second_score) => store.set({ second_score }) },
    signal,
  );

  // Building hundreds of rows again for a pick would be noticeably slow, and lose the focus.
  frames.draw(() => {
    if (!isOpen()) return;
    const scores = store.get("score_list");
    table.show({ scores, sorted: store.get("score_name"), grids: grids.value });
    scatter.show({ scores, axes: axes.value, grids: grids.value });
  });

  return {
    element: h("div", { class: "xattn-scores" }, scatter.element, table.element),
    title: "Every head by every score",
    options: [],
    grids,
    axes,
    draw() {
      void grids.value;
      void axes.value;
      const picked = store.get("heads");
      table.mark(picked);
      scatter.mark(picked, outlinesOf(picked.length, colors.value, store.get("combined")));
    },
  };
}
