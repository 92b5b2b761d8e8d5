// Which heads are picked, each beside its line color, and what is done to the rows, in words.

import type { AlignmentReply, Head } from "../core/contract";
import { h, setText } from "../core/dom";
import { headName } from "../core/format";

export interface PickedProps {
  heads: readonly Head[];
  colors: readonly string[];
  /** Set when the lines are an aggregate of more heads than there are colors. */
  aggregated: "mean" | "max" | null;
  /** Whether special tokens are gone and rows renormalized. */
  dropped: boolean;
  /** Whether the sentence has a reference alignment, and how the picked heads fare by it. */
  reference: boolean;
  alignment: AlignmentReply | null;
}

export interface PickedView {
  element: HTMLElement;
  show(props: PickedProps): void;
}

export function createPicked(events: { remove(head: Head): void }, signal: AbortSignal): PickedView {
  const chips = h("div", { class: "xattn-chips" });
  const note = h("span", { class: "xattn-note-chip", text: "special tokens dropped, rows renormalized" });
  const aligned = h("span", { class: "xattn-aligned xattn-small" });
  const element = h("div", { class: "xattn-picked" }, chips, aligned, note);
  let shown = "";

  function chip(text: string, color: string, head: Head | null): HTMLElement {
    const dot = h("span", { class: "xattn-dot", attrs: { "aria-hidden": "true" } });
    dot.style.backgroundColor = color;
    const label = h("span", { text });
    if (!head) return h("span", { class: "xattn-chip" }, dot, label);
    const remove = h("button", {
      class: "xattn-remove",
      text: "×",
      title: `Take ${text} away`,
      attrs: { type: "button", "aria-label": `Take ${text} away` },
    });
    remove.addEventListener("click", () => events.remove(head), { signal });
    return h("span", { class: "xattn-chip" }, dot, label, remove);
  }

  return {
    element,
    show({ heads, colors, aggregated, dropped, reference, alignment }) {
      note.hidden = !dropped;
      aligned.hidden = !reference;
      if (reference) {
        setText(aligned, alignment ? alignmentText(alignment) : "AER …");
        aligned.title = alignment ? `Alignment error rate by the reference: ${alignment.method}` : "";
      }
      const key = JSON.stringify([heads, colors, aggregated]);
      if (key === shown) return;
      shown = key;
      if (aggregated) {
        chips.replaceChildren(
          chip(`aggregate (${aggregated}) of ${heads.length} heads`, colors[0] ?? "", null),
        );
        return;
      }
      const many = heads.length > 1;
      chips.replaceChildren(
        ...heads.map((head, i) => chip(headName(head[0], head[1]), colors[i] ?? "", many ? head : null)),
      );
      setText(note, "special tokens dropped, rows renormalized");
    },
  };
}

function alignmentText({ aer, precision, recall, links }: AlignmentReply): string {
  const said = (value: number | null) => (value === null ? "undefined" : value.toFixed(2));
  return `AER ${said(aer)} · precision ${said(precision)} · recall ${said(recall)} · ${links} links`;
}
