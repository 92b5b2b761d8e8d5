// The room of the scores: every head by every score, and two scores against each other.
import { h } from "../core/dom";
import { anyOf, type Context, outlinesOf, type Room } from "../core/view";
import { createScatter } from "./scatter";
import { createScoreTable } from "./table";

export function createScoresRoom({ store, loader, gestures, colors, signal }: Context): Room {
  const table = createScoreTable(
    { pick: gestures.pick, sort: (score_name) => store.set({ score_name }) },
    signal,
  );
  const scatter = createScatter(
    { pick: gestures.pick, second: (second_score) => store.set({ second_score }) },
    signal,
  );
  const element = h("div", { class: "xattn-scores" }, scatter.element, table.element);

  return {
    element,
    hint: null,
    load(reasons) {
      if (anyOf(reasons, ["panel", "sentence", "score_list"])) loader.refreshGrids();
    },
    draw() {
      const scores = store.get("score_list");
      const sorted = store.get("score_name");
      const picked = store.get("heads");
      const second =
        store.get("second_score") || (scores.find(({ name }) => name !== sorted)?.name ?? sorted);
      const { grids, failures } = loader;
      table.show({ scores, sorted, grids, failures, picked });
      scatter.show({
        scores,
        x: sorted,
        y: second,
        grids,
        failures,
        picked,
        outlines: outlinesOf(picked.length, colors()),
      });
    },
  };
}
