// The heads beside the view: their score, the grid, the means of layers and the ranking.
import { computed, type ReadonlySignal } from "@preact/signals-core";
import { copyText } from "../core/clipboard";
import { type Context, outlinesOf, tell } from "../core/context";
import type { Head } from "../core/contract";
import { h } from "../core/dom";
import { droppedName } from "../core/dropping";
import { errorText } from "../core/errands";
import { setOf } from "../core/own_rows";
import { firstPick, shapeOf } from "../core/picks";
import { countDefined, layerMeans, rankHeads } from "../core/ranking";
import { scoreDomain } from "../core/scales";
import { canScoreShown, countedName, shownRows } from "../core/scored_rows";
import type { Opened } from "../core/view";
import { createBestSet } from "./best_set";
import { createGrid } from "./grid";
import { createLayers } from "./layers";
import { createMarkLegend, markedHeads } from "./marked";
import { createOver } from "./over";
import { createRanking } from "./ranking";
import { createScore } from "./score";
import { standingText } from "./standing";

export interface Heads {
  score: HTMLElement;
  grid: HTMLElement;
  layers: HTMLElement;
  ranking: HTMLElement;
  /** How the picked heads score, as a sentence for a screen reader; "" while that is unknown. */
  standing: ReadonlySignal<string>;
}

/** `mute` is told about clicks on heads, and whether a modifier or key asks to mute; it returns whether it did. */
export function createHeads(
  context: Context,
  opened: Opened,
  mute: (head: Head, wanted: boolean) => boolean,
): Heads {
  const { store, loader, survey, gestures, subject, theme, colors, frames, root, signal } = context;
  /** Picks a head; what is previewed stays until the pick is loaded. */
  const pick = (head: Head, add: boolean) => {
    loader.preview.settle();
    gestures.pick(head, add);
  };
  const point = (head: Head | null) => loader.preview.point(opened.value.view.previews ? head : null);
  const score = createScore(
    {
      score: (score_name) => store.set({ score_name }),
      rows: () => store.set({ as_shown: !store.get("as_shown") }),
      copySignature: (text) => void copySignature(text),
    },
    signal,
  );
  const grid = createGrid({ pick, pickLayer: gestures.pickLayer, point, mute }, signal);
  const layers = createLayers();
  const ranking = createRanking({ pick, point }, signal);
  const over = createOver({ over: (over) => store.set({ over }) }, signal);
  score.element.firstElementChild?.after(over.element);
  const marks = createMarkLegend();
  const known = h("div", { class: "xattn-known" }, marks.element, createBestSet(context));
  ranking.element.prepend(known);

  const values = computed(() => survey.grid.value.values);
  const domain = computed(() => values.value && scoreDomain(values.value));
  /** The spread of a score over sentences has no better end: its highest value comes first. */
  const better = computed(() => {
    const score = store.get("score_list").find(({ name }) => name === store.get("score_name"));
    return survey.grid.value.over === "spread" ? "higher" : (score?.direction ?? "higher");
  });
  const ranked = computed(() => values.value && rankHeads(values.value, better.value));
  const standing = computed(() => ranked.value && standingText(ranked.value, subject.pick().heads));

  async function copySignature(text: string): Promise<void> {
    try {
      await copyText(text, root);
      tell(context, "Signature copied.");
    } catch (error) {
      tell(context, `The signature could not be copied: ${errorText(error)}.`);
    }
  }

  /** What is said about the rows of the score while tokens are dropped. */
  function scoredRows(): { text: string; action: string } | null {
    const [sentence, name] = [subject.pick().sentence, store.get("score_name")];
    const canSwitch = canScoreShown(store, sentence, name);
    const shown = shownRows(store, sentence, name);
    if (shown)
      return {
        text: "Scored on the rows as shown.",
        action: `Count ${droppedName(shown.special)} too`,
      };
    const counted = countedName(store, sentence, name);
    if (!counted) return null;
    const where = canSwitch || store.get("info").has_kernel ? "" : " (this page has no other values)";
    return {
      text: `The view drops ${counted}, but this score counts ${counted === "punctuation" ? "it" : "them"}${where}.`,
      action: canSwitch ? "Score the rows as shown" : "",
    };
  }

  frames.draw(() => {
    score.show({
      scores: store.get("score_list"),
      isSpread: survey.grid.value.over === "spread",
      name: store.get("score_name"),
      domain: domain.value,
      ready: values.value !== null,
      failure: survey.grid.value.failure,
      signature: loader.scores.value?.signature ?? "",
      undefinedHeads: ranked.value ? ranked.value.length - countDefined(ranked.value) : 0,
      standing: standing.value ?? "",
      rows: scoredRows(),
      theme: theme.value,
    });
  });
  frames.draw(() => over.show(survey.grid.value, survey.peers.value));
  frames.draw(() => {
    const { sentence, heads } = subject.pick();
    const info = store.get("info");
    const marked = markedHeads(info.sentences[sentence]?.sound, setOf(info, sentence));
    grid.show({
      ...shapeOf(info, sentence),
      ...(opened.value.view.outlined?.() ?? {
        picked: firstPick(store).heads,
        outlines: outlinesOf(heads.length, colors.value, store.get("combined")),
      }),
      scoreName: survey.grid.value.name,
      ranked: ranked.value,
      domain: domain.value,
      theme: theme.value,
      missing: info.sentences[sentence]?.missing ?? [],
      muted: store.get("muted"),
      marked,
    });
    marks.show(marked);
    known.hidden = marked.length === 0;
  });
  frames.draw(() => {
    const { layers: count } = shapeOf(store.get("info"), subject.pick().sentence);
    layers.show(values.value && layerMeans(values.value), count, domain.value);
  });
  frames.draw(() => ranking.show(ranked.value, subject.pick().heads));

  return {
    score: score.element,
    grid: grid.element,
    layers: layers.element,
    ranking: ranking.element,
    standing: computed(() => (standing.value ? ` ${survey.grid.value.name}: ${standing.value}.` : "")),
  };
}
