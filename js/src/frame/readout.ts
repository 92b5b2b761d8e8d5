// The readout: one token, its probability and its strongest partners, in a place of fixed height.

import { PARTNERS } from "../core/constants";
import { h, setBdi, setText } from "../core/dom";
import { formatWeight } from "../core/format";

export interface DetailPartner {
  label: string;
  value: number;
  special: boolean;
}

export interface DetailContent {
  /** What kind of token it is and where, in words. */
  kind: string;
  label: string;
  facts: string;
  partners: DetailPartner[];
  caption: string;
  exact: boolean;
  pinned: boolean;
}

export interface DetailView {
  element: HTMLElement;
  show(content: DetailContent | null, hint: string): void;
}

export function createDetail(events: { copy(): void }, signal: AbortSignal): DetailView {
  const kind = h("div", { class: "xattn-label" });
  const label = h("bdi", { class: "xattn-detail-token" });
  const facts = h("div", { class: "xattn-small xattn-muted" });
  const caption = h("span", { class: "xattn-label" });
  const copy = h("button", {
    class: "xattn-copy",
    text: "Copy row",
    title: "Copy all weights of this token as text (also: c on a token)",
    attrs: { type: "button" },
  });
  copy.addEventListener("click", () => events.copy(), { signal });
  const rows = Array.from({ length: PARTNERS }, () => {
    const name = h("bdi", { class: "xattn-partner-name" });
    const fill = h("span", { class: "xattn-bar-fill" });
    const value = h("span", { class: "xattn-number" });
    const row = h(
      "li",
      { class: "xattn-partner" },
      h("span", { class: "xattn-partner-label" }, name),
      h("span", { class: "xattn-bar" }, fill),
      value,
    );
    return { row, name, fill, value };
  });
  const list = h("ol", { class: "xattn-partners" }, ...rows.map(({ row }) => row));
  const hint = h("div", { class: "xattn-hint" });
  const body = h(
    "div",
    { class: "xattn-detail-body" },
    h("div", { class: "xattn-detail-head" }, kind, label, facts),
    h("div", { class: "xattn-detail-list" }, h("div", { class: "xattn-detail-top" }, caption, copy), list),
  );
  const element = h(
    "section",
    { class: "xattn-detail", attrs: { "aria-label": "Token and its partners" } },
    body,
    hint,
  );

  return {
    element,
    show(content, text) {
      body.hidden = content === null;
      hint.hidden = content !== null;
      setText(hint, text);
      if (!content) return;
      setText(kind, content.kind);
      setBdi(label, content.label);
      setText(facts, content.facts);
      setText(caption, content.caption);
      element.classList.toggle("xattn-pinned", content.pinned);
      // Nobody can reach a button of what goes away with the pointer.
      copy.style.visibility = content.pinned ? "" : "hidden";
      rows.forEach(({ row, name, fill, value }, i) => {
        const partner = content.partners[i];
        row.style.visibility = partner ? "" : "hidden";
        if (!partner) return;
        setBdi(name, partner.label);
        name.classList.toggle("xattn-special", partner.special);
        fill.style.width = `${Math.min(100, partner.value * 100)}%`;
        setText(value, formatWeight(partner.value, content.exact));
      });
    },
  };
}
