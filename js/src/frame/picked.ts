// The heading of the stage: what is shown in words, each head beside its line color, and what would read better.
import { type Context, outlinesOf } from "../core/context";
import type { AlignmentReply, Head, RowNames } from "../core/contract";
import { dividingNote } from "../core/dividing";
import { h, setText } from "../core/dom";
import { droppedShare } from "../core/dropped_share";
import { dropOf, droppingNote } from "../core/dropping";
import { headName, setName } from "../core/format";
import { isSet, movedHeads, readingOf, setOf } from "../core/own_rows";
import { isMutedReading } from "../core/picks";
import { betterReading } from "../core/readings";
import { movedNote } from "../core/saved";
import { isAggregated } from "../core/scene";
import { listSentences } from "../core/sentences";
import { oneTabStop } from "../core/tab_stop";
import type { Opened, View } from "../core/view";

/** Up to so many heads are named in the heading. */
const NAMED = 5;

export function createPicked(
  { store, loader, colors, gestures, frames, signal }: Context,
  opened: Opened,
): HTMLElement {
  const main = h("span", { class: "xattn-heading-heads" });
  const dropped = h("span", { class: "xattn-note-chip" });
  const more = h("span");
  const heading = h("div", { class: "xattn-heading" }, main, dropped, more);
  const chips = h("div", { class: "xattn-chips" });
  const tabStop = oneTabStop(
    chips,
    () => [...chips.querySelectorAll("button")].map((button) => [button]),
    signal,
  );
  const aligned = h("span", { class: "xattn-aligned xattn-small" });
  const advice = h("span");
  const change = h("button", { class: "xattn-link", text: "Switch", attrs: { type: "button" } });
  const hint = h("div", { class: "xattn-reading-hint xattn-small" }, advice, " ", change);
  /** About the picked heads alone: a preview hides it, and moves nothing. */
  const about = h("div", { class: "xattn-about" }, chips, hint, aligned);
  const element = h("div", { class: "xattn-picked" }, heading, about);
  change.addEventListener(
    "click",
    () => store.set({ reading: readingOf(store.get("reading")) === "output" ? "input" : "output" }),
    { signal },
  );

  function chip(head: Head, color: string): HTMLElement {
    const text = headName(...head);
    const dot = h("span", { class: "xattn-dot", attrs: { "aria-hidden": "true" } });
    dot.style.backgroundColor = color;
    const remove = h("button", {
      class: "xattn-remove",
      text: "×",
      title: `Remove ${text}`,
      attrs: { type: "button", "aria-label": `Remove ${text}` },
    });
    remove.addEventListener("click", () => gestures.remove(head), { signal });
    return h("span", { class: "xattn-chip" }, dot, h("span", { text }), remove);
  }

  /** The heads that are drawn, in words. */
  function headsText(heads: readonly Head[], { combines }: View): string {
    const [first] = heads;
    if (!first) return "";
    if (heads.length === 1) return upper(headName(...first));
    const together = combines || isAggregated({ heads, combined: store.get("combined") });
    const aggregate = store.get("aggregate") === "mean" ? "mean" : "maximum";
    if (together && isSet(setOf(store.get("info"), store.get("sentence")), heads, store.get("reading")))
      return upper(setName(heads.length, aggregate));
    const text = together
      ? `${aggregate} of ${heads.length} heads`
      : `${heads.length} heads, each in its color`;
    if (heads.every(([layer]) => layer === first[0])) return `Layer ${first[0]}, ${text}`;
    const inOrder = [...heads].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const names = inOrder.map(([layer, head]) => `L${layer} H${head}`).join(", ");
    return upper(together && heads.length <= NAMED ? `${text} (${names})` : text);
  }

  /** What the rows are named by, in words. */
  function rowsText(rows: RowNames): string {
    const unit = store.get("words") ? "word" : "token";
    return `rows named by the ${unit} ${rows === "input" ? "just read" : "being written"}`;
  }

  /** What is done to the sentence that is shown, and which it is. */
  function sentenceText(): string {
    const [info, sentence, muted] = [store.get("info"), store.get("sentence"), store.get("muted")];
    const parts = isMutedReading(store.get("live").effect, sentence)
      ? [muted.length === 1 ? `${headName(...(muted[0] ?? [0, 0]))} muted` : `${muted.length} heads muted`]
      : [];
    const { places, targets } = listSentences(info.sentences);
    const place = (places[sentence] ?? 0) + 1;
    if (targets.length > 1) parts.push(`sentence\u00a0${place}\u00a0of\u00a0${targets.length}`);
    return parts.map((part) => ` · ${part}`).join("");
  }

  frames.draw(() => {
    const { view } = opened.value;
    const preview = loader.preview.scene.value;
    const heads = preview?.spec.heads ?? store.get("heads");
    const moved = movedHeads(store, store.get("sentence"));
    const text = `${headsText(heads, view)}, ${rowsText(store.get("reading"))}${movedNote({ heads, moved })}`;
    element.hidden = view.hint === undefined;
    setText(main, preview ? `Preview: ${text.charAt(0).toLowerCase()}${text.slice(1)}` : text);
    const drop = dropOf(store.get("special"));
    // Until its scene is loaded, how much weight was dropped is not known.
    const scene = loader.scene.value;
    const share = scene?.spec.drop === drop ? droppedShare(scene) : null;
    const notes = drop === "nothing" ? [] : [droppingNote(drop, share)];
    const divided = dividingNote(store, loader.scene.value?.spec.sentence ?? store.get("sentence"));
    if (divided !== "") notes.push(divided);
    dropped.hidden = notes.length === 0;
    setText(dropped, notes.join(" · "));
    setText(more, sentenceText());
    about.style.visibility = preview ? "hidden" : "";
  });
  frames.draw(() => {
    const heads = store.get("heads");
    const outlines = outlinesOf(heads.length, colors.value, false);
    // Of heads that are drawn as one, the heading alone says which.
    const apart = heads.length > 1 && !isAggregated({ heads, combined: store.get("combined") });
    chips.hidden = !apart;
    chips.replaceChildren(...(apart ? heads.map((head, i) => chip(head, outlines[i] ?? "")) : []));
    tabStop.refresh();
  });
  frames.draw(() => {
    const [info, heads] = [store.get("info"), store.get("heads")];
    const { model } = info.sentences[store.get("sentence")] ?? info;
    // The guess is about the first model of the list.
    const better =
      model === info.model
        ? betterReading(
            info.alignment_guess,
            heads,
            store.get("reading"),
            movedHeads(store, store.get("sentence")),
          )
        : null;
    hint.hidden = better === null;
    const subject = heads.length === 1 ? "Reads" : "These heads read";
    setText(advice, better ? `${subject} better with ${rowsText(better)}.` : "");
  });
  frames.draw(() => {
    const hasReference = Boolean(loader.picked.value?.reply.reference);
    aligned.hidden = !hasReference;
    if (!hasReference) return;
    const alignment = loader.alignment.value;
    setText(aligned, alignment ? alignmentText(alignment) : "AER …");
    aligned.title = alignment ? `Alignment error rate by the reference: ${alignment.method}` : "";
  });
  return element;
}

function upper(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function alignmentText({ aer, precision, recall, links }: AlignmentReply): string {
  const written = (value: number | null) => (value === null ? "undefined" : value.toFixed(2));
  return `AER ${written(aer)} · precision ${written(precision)} · recall ${written(recall)} · ${links} links`;
}
