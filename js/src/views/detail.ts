// The readout: one token, its probability and its strongest partners, in a place of fixed height.

import { PARTNERS } from "../constants";
import { h, setBdi, setText } from "../dom";
import { formatWeight } from "../format";

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

export function createDetail(): DetailView {
  const kind = h("div", { class: "xattn-label" });
  const label = h("bdi", { class: "xattn-detail-token" });
  const facts = h("div", { class: "xattn-small xattn-muted" });
  const caption = h("div", { class: "xattn-label" });
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
    h("div", { class: "xattn-detail-list" }, caption, list),
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
