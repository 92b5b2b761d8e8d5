// Which heads are picked, each beside its line color, and what is done to the rows, in words.
import { type Context, outlinesOf } from "../core/context";
import type { Aggregate, AlignmentReply, Head } from "../core/contract";
import { h, setText } from "../core/dom";
import { headName } from "../core/format";
import { oneTabStop } from "../core/tab_stop";
import type { Opened } from "../core/view";

export function createPicked(
  { store, loader, colors, gestures, frames, signal }: Context,
  opened: Opened,
): HTMLElement {
  const chips = h("div", { class: "xattn-chips" });
  const note = h("span", { class: "xattn-note-chip", text: "special tokens dropped, rows renormalized" });
  const aligned = h("span", { class: "xattn-aligned xattn-small" });
  const element = h("div", { class: "xattn-picked" }, chips, aligned, note);
  const tabStop = oneTabStop(
    chips,
    () => [...chips.querySelectorAll("button")].map((button) => [button]),
    signal,
  );

  function chip(text: string, color: string, head: Head | null): HTMLElement {
    const dot = h("span", { class: "xattn-dot", attrs: { "aria-hidden": "true" } });
    dot.style.backgroundColor = color;
    const label = h("span", { text });
    if (!head) return h("span", { class: "xattn-chip" }, dot, label);
    const remove = h("button", {
      class: "xattn-remove",
      text: "×",
      title: `Remove ${text}`,
      attrs: { type: "button", "aria-label": `Remove ${text}` },
    });
    remove.addEventListener("click", () => gestures.remove(head), { signal });
    return h("span", { class: "xattn-chip" }, dot, label, remove);
  }

  function showHeads(heads: readonly Head[], palette: readonly string[], aggregate: () => Aggregate): void {
    // With more heads than colors, the lines are an aggregate.
    if (heads.length > palette.length) {
      chips.replaceChildren(
        chip(`aggregate (${aggregate()}) of ${heads.length} heads`, palette[0] ?? "", null),
      );
      return;
    }
    const outlines = outlinesOf(heads.length, palette);
    const several = heads.length > 1;
    chips.replaceChildren(
      ...heads.map((head, i) => chip(headName(...head), outlines[i] ?? "", several ? head : null)),
    );
    tabStop.refresh();
  }

  frames.draw(() => showHeads(store.get("heads"), colors.value, () => store.get("aggregate")));
  frames.draw(() => {
    element.hidden = opened.value.view.hint === undefined;
    note.hidden = store.get("special") !== "drop";
    const hasReference = Boolean(loader.scene.value?.reply.reference);
    aligned.hidden = !hasReference;
    if (!hasReference) return;
    const alignment = loader.alignment.value;
    setText(aligned, alignment ? alignmentText(alignment) : "AER …");
    aligned.title = alignment ? `Alignment error rate by the reference: ${alignment.method}` : "";
  });
  return element;
}

function alignmentText({ aer, precision, recall, links }: AlignmentReply): string {
  const written = (value: number | null) => (value === null ? "undefined" : value.toFixed(2));
  return `AER ${written(aer)} · precision ${written(precision)} · recall ${written(recall)} · ${links} links`;
}
