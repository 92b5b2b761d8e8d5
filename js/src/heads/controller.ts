// The heads beside the view: their score, the grid, the means of layers and the ranking.
import { computed, type ReadonlySignal } from "@preact/signals-core";
import type { Context } from "../core/context";
import { outlinesOf } from "../core/context";
import type { Head } from "../core/contract";
import { formatScore, headName } from "../core/format";
import { firstPick, sameHead, shapeOf } from "../core/picks";
import { layerMeans, rankHeads } from "../core/ranking";
import { scoreDomain } from "../core/scales";
import type { Opened } from "../core/view";
import { createGrid } from "./grid";
import { createLayers } from "./layers";
import { createOver } from "./over";
import { createRanking } from "./ranking";
import { createScore } from "./score";

export interface Heads {
  score: HTMLElement;
  grid: HTMLElement;
  layers: HTMLElement;
  ranking: HTMLElement;
  /** How the head picked last scores, as a sentence for a screen reader; "" while that is unknown. */
  standing: ReadonlySignal<string>;
}

/** `mute` is told about clicks on heads, and whether a modifier or key asks to mute; it returns whether it did. */
export function createHeads(
  { store, loader, survey, gestures, subject, theme, colors, frames, signal }: Context,
  opened: Opened,
  mute: (head: Head, wanted: boolean) => boolean,
): Heads {
  const score = createScore({ score: (score_name) => store.set({ score_name }) }, signal);
  const grid = createGrid({ pick: gestures.pick, pickLayer: gestures.pickLayer, mute }, signal);
  const layers = createLayers();
  const ranking = createRanking(gestures, signal);
  const over = createOver({ over: (over) => store.set({ over }) }, signal);
  score.element.firstElementChild?.after(over.element);

  const values = computed(() => survey.grid.value.values);
  const domain = computed(() => values.value && scoreDomain(values.value));
  const ranked = computed(() => {
    const name = store.get("score_name");
    const direction = store.get("score_list").find((entry) => entry.name === name)?.direction ?? "higher";
    // No spread is better than another: the largest comes first.
    return (
      values.value && rankHeads(values.value, survey.grid.value.over === "spread" ? "higher" : direction)
    );
  });
  /** The head picked last, with its value and rank. */
  const last = computed(() => {
    const head = subject.pick().heads.at(-1);
    return (head && ranked.value?.find((entry) => sameHead(entry.head, head))) ?? null;
  });

  frames.draw(() => {
    const entry = last.value;
    score.show({
      scores: store.get("score_list"),
      name: store.get("score_name"),
      domain: domain.value,
      ready: values.value !== null,
      failure: survey.grid.value.failure,
      signature: loader.scores.value?.signature ?? "",
      undefinedHeads: ranked.value?.filter(({ value }) => value === null).length ?? 0,
      picked: entry && { ...entry, count: ranked.value?.length ?? 0 },
      theme: theme.value,
    });
  });
  frames.draw(() => over.show(survey.grid.value, survey.peers.value));
  frames.draw(() => {
    const { sentence, heads } = subject.pick();
    const info = store.get("info");
    grid.show({
      ...shapeOf(info, sentence),
      ...(opened.value.view.outlined?.() ?? {
        picked: firstPick(store).heads,
        outlines: outlinesOf(heads.length, colors.value),
      }),
      scoreName: survey.grid.value.name,
      ranked: ranked.value,
      domain: domain.value,
      theme: theme.value,
      missing: info.sentences[sentence]?.missing ?? [],
      muted: store.get("muted"),
    });
  });
  frames.draw(() => {
    const { layers: count } = shapeOf(store.get("info"), subject.pick().sentence);
    layers.show(values.value && layerMeans(values.value), count, domain.value);
  });
  frames.draw(() => ranking.show(ranked.value, subject.pick().heads));

  const standing = computed(() => {
    const entry = last.value;
    if (!entry) return "";
    const which = subject.pick().heads.length > 1 ? ` Of the last, ${headName(...entry.head)}:` : "";
    const rank = `rank ${entry.rank} of ${ranked.value?.length}`;
    return `${which} ${survey.grid.value.name} ${formatScore(entry.value)}, ${rank}.`;
  });
  return {
    score: score.element,
    grid: grid.element,
    layers: layers.element,
    ranking: ranking.element,
    standing,
  };
}
