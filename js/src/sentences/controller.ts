// The picked heads in every sentence: what the cards show, their order, and their weights, one after another.
import { computed, type ReadonlySignal } from "@preact/signals-core";
import { NO_ANSWER } from "../core/constants";
import type { Context } from "../core/context";
import type { Head, SentenceOrder } from "../core/contract";
import { dropOf } from "../core/dropping";
import { errorText } from "../core/errands";
import { formatScore } from "../core/format";
import { sentencePatch } from "../core/gestures";
import { specOf } from "../core/loader";
import { firstPick, fitHeads, shapeOf } from "../core/picks";
import { jointName } from "../core/saved";
import { buildScene, type SceneSpec } from "../core/scene";
import { firstEntries, listSentences, unitCount } from "../core/sentences";
import type { View } from "../core/view";
import { orderSentences, type Scored, scoreSentence, summarizeScores } from "./order";
import { type SentencesView as Cards, createSentences } from "./view";

export interface SentencesView extends View {
  /** The sentences in the order in which they are shown. */
  ordered: ReadonlySignal<Scored[]>;
  /** What is drawn of a sentence. */
  spec(entry: number): SceneSpec;
}

export function mountSentences(context: Context): SentencesView {
  const { store, survey, loader, colors, theme, size, root, id, signal } = context;
  const entries = computed(() => store.get("info").sentences);
  const firsts = computed(() => firstEntries(entries.value));
  const isComplete = computed(() => firsts.value.every((entry) => survey.progress.value.outcomes.has(entry)));
  const scored = computed(() => {
    const { outcomes } = survey.progress.value;
    return firsts.value.map((entry) => scoreSentence(entry, spec(entry).heads, outcomes.get(entry)));
  });
  // Cards must not move while the scores arrive.
  const ordered = computed(() =>
    orderSentences(scored.value, isComplete.value ? store.get("sentence_order") : "given"),
  );
  /** The heads that are drawn: the one that is pointed at, or the picked ones. */
  const drawnHeads = computed(() => loader.preview.scene.value?.spec.heads ?? store.get("heads"));
  /** A new object for each change of what the drawings show. */
  const drawing = computed(() => {
    void size.value;
    const { heads: _, ...rest } = spec(0);
    return {
      ...rest,
      heads: drawnHeads.value,
      special: store.get("special"),
      theme: theme.value,
      colors: colors.value,
    };
  });

  const view = createSentences(
    {
      open(entry) {
        store.set({ ...sentencePatch(store, entry), panel: "lines" });
        // The card that had the focus is gone with the view.
        root.querySelector<HTMLElement>(`#${id}-tab-lines`)?.focus();
      },
      order: (sentence_order) => store.set({ sentence_order }),
      need: (entry) => need(entry),
    },
    signal,
  );
  const need = createDrawingQueue(context, view, (entry) => specWith(drawnHeads.peek(), entry), drawing);

  function specWith(wanted: readonly Head[], entry: number): SceneSpec {
    const heads = fitHeads(wanted, shapeOf(store.get("info"), entry));
    return { ...specOf(store, { sentence: entry, heads }), combined: true };
  }

  /** Scores and order are those of the picked heads: cards must not move while a head is only pointed at. */
  function spec(entry: number): SceneSpec {
    return specWith(store.get("heads"), entry);
  }

  return {
    element: view.element,
    title: "The picked heads in every sentence",
    options: ["words", "special", "reading", "aggregate"],
    previews: true,
    ordered,
    spec,
    summary: () => `${firsts.value.length} sentences, ${ORDER_NAMES[store.get("sentence_order")]}.`,
    draw() {
      const { outcomes } = survey.progress.value;
      view.show({
        entries: entries.value,
        scored: ordered.value,
        isKnown: (entry) => outcomes.has(entry),
        units: (entry) => unitsOf(context, entry),
        shown: store.get("sentence"),
        order: store.get("sentence_order"),
        heading: headingOf(context, scored.value),
        note: noteOf(context),
        look: {
          theme: theme.value,
          color: colors.value[0] ?? "",
          fade: store.get("special") === "fade",
          family: getComputedStyle(root).fontFamily,
        },
        drawing: drawing.value,
      });
    },
  };
}

export const ORDER_NAMES: Record<SentenceOrder, string> = {
  highest: "highest score first",
  lowest: "lowest score first",
  given: "in order",
};

/** The units of a sentence's longer side, known before it is loaded. */
function unitsOf({ store }: Context, entry: number): number {
  const lengths = store.get("info").sentences[entry]?.lengths;
  const shown = { words: store.get("words"), drop: dropOf(store.get("special")) };
  return lengths ? Math.max(unitCount(lengths.source, shown), unitCount(lengths.target, shown)) : 0;
}

/** Which heads are drawn, and how they score over the sentences. */
function headingOf({ store, survey }: Context, scored: readonly Scored[]): string {
  const picked = jointName(store, specOf(store, firstPick(store)));
  const { done, total } = survey.progress.value;
  const score = store.get("score_name");
  if (done < total) return `${picked} · ${score} of ${done} of ${total} sentences…`;
  const summary = summarizeScores(scored);
  if (!summary) return `${picked} · no sentence has a score`;
  const { low, mean, high, count } = summary;
  return `${picked} · ${score} ${formatScore(low)} to ${formatScore(high)}, mean ${formatScore(mean)} over ${count} sentences`;
}

function noteOf({ store }: Context): string {
  const { targets } = listSentences(store.get("info").sentences);
  const parts = ["A click opens a sentence."];
  if (store.get("heads").length > 1) parts.push("The score is the mean of the picked heads.");
  parts.push("Long sentences are drawn as heat maps: target down, source across.");
  if (targets.some((entries) => entries.length > 1))
    parts.push("Of several targets of a sentence, the first is drawn.");
  return parts.join(" ");
}

/** Loads and draws one card at a time, and only those still in view: there may be hundreds. */
function createDrawingQueue(
  { data, errands, signal }: Context,
  view: Cards,
  spec: (entry: number) => SceneSpec,
  drawing: ReadonlySignal<unknown>,
): (entry: number) => void {
  const wanted = new Set<number>();
  const errand = errands.add({ quiet: true, retry: view.again });
  let busy = false;

  async function work(): Promise<void> {
    if (busy) return;
    busy = true;
    for (const entry of wanted) {
      wanted.delete(entry);
      if (signal.aborted) break;
      if (view.wants(entry)) await draw(entry);
    }
    busy = false;
  }

  async function draw(entry: number): Promise<void> {
    const asked = drawing.peek();
    try {
      const scene = await buildScene(data, spec(entry), signal, () => {});
      // Other heads or words by now: it was asked for again.
      if (signal.aborted || drawing.peek() !== asked) return;
      view.draw(entry, scene);
      errand.settle(null);
    } catch (error) {
      if (signal.aborted || drawing.peek() !== asked) return;
      view.fail(entry, errorText(error));
      if (errorText(error).includes(NO_ANSWER))
        errand.settle(`A sentence could not be loaded: ${errorText(error)}`);
    }
  }

  return (entry) => {
    wanted.add(entry);
    void work();
  };
}
