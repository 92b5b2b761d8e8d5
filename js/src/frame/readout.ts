// The readout: one token, what is known of it, and its strongest partners; without a token, what stands out in the
// sentence.
import { PARTNERS } from "../core/constants";
import type { Context } from "../core/context";
import { h, setBdi, setText } from "../core/dom";
import { formatWeight } from "../core/format";
import type { Inspection } from "../core/inspect";
import { copyRow } from "../core/row_text";
import { createStrip, stripCells } from "../core/strip";
import type { Opened } from "../core/view";
import { createOverall } from "./overall";

export function createReadout(context: Context, opened: Opened): HTMLElement {
  const { active, colors, loader, errands, frames, signal } = context;
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
  copy.addEventListener(
    "click",
    () => {
      const token = active.shown.value?.inspection.token;
      if (token) void copyRow(context, token);
    },
    { signal },
  );
  const unpin = h("button", {
    class: "xattn-copy",
    text: "Unpin",
    title: "Back to the whole sentence (also: Escape)",
    attrs: { type: "button" },
  });
  unpin.addEventListener("click", () => leave(), { signal });
  const rows = Array.from({ length: PARTNERS }, () => {
    const name = h("bdi", { class: "xattn-partner-name" });
    const strip = createStrip({ role: "img" });
    const fill = h("span", { class: "xattn-bar-fill" });
    const value = h("span", { class: "xattn-number" });
    const row = h(
      "li",
      { class: "xattn-partner" },
      h("span", { class: "xattn-partner-label" }, name),
      strip.element,
      h("span", { class: "xattn-bar" }, fill),
      value,
    );
    return { row, name, strip, fill, value };
  });
  const list = h("ol", { class: "xattn-partners" }, ...rows.map(({ row }) => row));
  const hint = h("div", { class: "xattn-hint" });
  const body = h(
    "div",
    { class: "xattn-detail-body" },
    h("div", { class: "xattn-detail-head" }, kind, label, facts),
    h(
      "div",
      { class: "xattn-detail-list" },
      h(
        "div",
        { class: "xattn-detail-top" },
        caption,
        h("span", { class: "xattn-detail-tools" }, copy, unpin),
      ),
      list,
    ),
  );
  const overall = createOverall(context, (token) => {
    active.pin(token);
    active.refresh();
    // The entry disappears: whoever came by keyboard goes on where it is undone.
    unpin.focus();
  });
  const element = h(
    "section",
    { class: "xattn-detail", attrs: { "aria-label": "Token and its partners" } },
    body,
    overall.element,
    hint,
  );
  element.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Escape" && active.pinned()) leave();
    },
    { signal },
  );

  /** Unpins, and keeps the focus in the readout. */
  function leave(): void {
    active.unpin();
    active.refresh();
    overall.focus();
  }

  function show(inspection: Inspection, pinned: boolean): void {
    setText(kind, inspection.kind);
    setBdi(label, inspection.label);
    setText(facts, inspection.facts);
    setText(caption, inspection.caption);
    element.classList.toggle("xattn-pinned", pinned);
    // Nobody can reach a button that disappears with the pointer.
    for (const button of [copy, unpin]) button.style.visibility = pinned ? "" : "hidden";
    list.classList.toggle("xattn-has-strips", inspection.heads.length > 0);
    rows.forEach(({ row, name, strip, fill, value }, i) => {
      const partner = inspection.partners[i];
      row.style.visibility = partner ? "" : "hidden";
      if (!partner) return;
      setBdi(name, partner.label);
      name.classList.toggle("xattn-special", partner.special);
      strip.element.hidden = partner.each.length === 0;
      if (partner.each.length > 0) strip.show(stripCells(partner.each, inspection.heads, colors.value));
      fill.style.width = `${Math.min(100, partner.value * 100)}%`;
      setText(value, formatWeight(partner.value, inspection.exact));
    });
  }

  frames.draw(() => {
    const failed = loader.scene.value === null && errands.error.value !== null;
    element.hidden = opened.value.view.hint === undefined || failed;
  });
  frames.watch(() => {
    const shown = active.shown.value;
    body.hidden = shown === null;
    hint.hidden = shown !== null;
    setText(hint, loader.scene.value ? (opened.value.view.hint ?? "") : "");
    overall.show(shown ? null : loader.scene.value);
    if (shown) show(shown.inspection, shown.pinned);
  });
  return element;
}
