// The sentences where the picked head is strongest. With a model, a click opens one in a panel below.
import { focusedIn, h, setText } from "../core/dom";
import { visibleText } from "../core/format";
import { claim, listMove } from "../core/keyboard";
import { formatValue } from "../corpus/numbers";
import type { ProfileInfo, StrongestRow } from "./contract";

export interface SentencesProps {
  /** By which score, and which of its values come first. */
  score: string;
  direction: "higher" | "lower";
  /** null until they are known. */
  rows: readonly StrongestRow[] | null;
  canOpen: boolean;
  open: number | null;
  what: ProfileInfo["what"];
}

export interface SentencesView {
  element: HTMLElement;
  show(props: SentencesProps): void;
}

export function createSentences(events: { open(row: number): void }, signal: AbortSignal): SentencesView {
  const title = h("h4", { class: "xattn-head-card-heading" });
  const list = h("ol", { class: "xattn-strongest", attrs: { "aria-label": "Strongest sentences" } });
  const note = h("div", { class: "xattn-small xattn-muted" });
  const element = h("div", { class: "xattn-head-card-part" }, title, list, note);
  let filled: SentencesProps | null = null;

  list.addEventListener(
    "click",
    (event) => {
      const row = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-row]") : null;
      if (row && filled?.canOpen) events.open(Number(row.dataset.row));
    },
    { signal },
  );
  list.addEventListener(
    "keydown",
    (event) => {
      const buttons = [...list.querySelectorAll("button")];
      const index = buttons.indexOf(event.target as HTMLButtonElement);
      const to = listMove(event.key, index, buttons.length);
      if (index < 0 || to === null) return;
      claim(event);
      buttons[to]?.focus();
    },
    { signal },
  );

  function item(
    { row, value, name, source, target }: StrongestRow,
    { canOpen }: SentencesProps,
  ): HTMLElement {
    const about = `row ${row}${name && name !== String(row) ? `, id ${visibleText(name)}` : ""}`;
    const inside = [
      h("span", { class: "xattn-number", text: formatValue(value) }),
      h(
        "span",
        { class: "xattn-strongest-texts" },
        h("bdi", { text: visibleText(source) }),
        h("bdi", { class: "xattn-muted", text: visibleText(target) }),
      ),
    ];
    const content = canOpen
      ? h("button", { title: `Open ${about}`, attrs: { type: "button", "data-row": String(row) } }, ...inside)
      : h("div", { title: about }, ...inside);
    return h("li", {}, content);
  }

  return {
    element,
    show(props) {
      const { rows, score, direction, canOpen, open, what } = props;
      setText(
        title,
        `Strongest by ${visibleText(score)}, ${direction === "higher" ? "highest" : "lowest"} first`,
      );
      const before = focusedIn(list);
      const had = before instanceof Element && list.contains(before);
      if (filled?.rows !== rows || filled.canOpen !== canOpen)
        list.replaceChildren(...(rows ?? []).map((row) => item(row, props)));
      filled = props;
      // Without buttons inside, the list itself is what keys scroll.
      if (canOpen) list.removeAttribute("tabindex");
      else list.tabIndex = 0;
      if (had && !list.contains(focusedIn(list))) list.querySelector("button")?.focus();
      for (const button of list.querySelectorAll("button")) {
        const isOpen = button.dataset.row === String(open);
        button.setAttribute("aria-pressed", String(isOpen));
      }
      setText(
        note,
        rows === null
          ? "…"
          : rows.length === 0
            ? `No ${what} has a value.`
            : canOpen
              ? ""
              : `To open a ${what} in the panel, pass the model: show_profile(profile, model, tokenizer).`,
      );
    },
  };
}
