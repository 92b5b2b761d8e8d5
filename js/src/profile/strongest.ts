// The sentences where the picked head is strongest by a score. Where the model is at hand, a click or Enter opens one.
import { focusedIn, h, setText } from "../core/dom";
import { visibleText } from "../core/format";
import { claim, listMove } from "../core/keyboard";
import { formatValue } from "../corpus/numbers";
import type { StrongestRow } from "./contract";

export interface StrongestProps {
  rows: readonly StrongestRow[] | null;
  score: string;
  /** The head, in words. */
  name: string;
  canOpen: boolean;
  sound: boolean;
  open: number | null;
}

export interface StrongestView {
  element: HTMLElement;
  show(props: StrongestProps): void;
}

export function createStrongest(events: { open(row: number): void }, signal: AbortSignal): StrongestView {
  const heading = h("h3", { class: "xattn-card-heading" });
  const names = h("tr");
  const body = h("tbody");
  const caption = h("caption", { class: "xattn-hidden" });
  const table = h("table", { class: "xattn-table xattn-sentences" }, caption, h("thead", {}, names), body);
  const scroller = h(
    "div",
    {
      class: "xattn-table-scroll xattn-sentences-scroll",
      attrs: { role: "region", tabindex: "0", "aria-label": "Strongest sentences" },
    },
    table,
  );
  const note = h("div", { class: "xattn-small xattn-muted" });
  const element = h("div", { class: "xattn-strongest" }, heading, scroller, note);
  let rows: { row: number; line: HTMLElement; button: HTMLButtonElement | null }[] = [];
  let shown: StrongestProps | null = null;

  body.addEventListener(
    "click",
    (event) => {
      const line = event.target instanceof Element ? event.target.closest("tr") : null;
      const found = rows.find((entry) => entry.line === line);
      if (!found?.button) return;
      stopAt(found.button);
      events.open(found.row);
    },
    { signal },
  );
  body.addEventListener(
    "keydown",
    (event) => {
      const index = rows.findIndex(({ button }) => button !== null && button === event.target);
      const to = index < 0 ? null : listMove(event.key, index, rows.length);
      const next = to === null ? null : rows[to]?.button;
      if (!next) return;
      claim(event);
      stopAt(next);
      next.focus();
    },
    { signal },
  );

  /** One row is reached by Tab, and the others from it by arrow keys. */
  function stopAt(stop: HTMLButtonElement): void {
    for (const { button } of rows) if (button) button.tabIndex = button === stop ? 0 : -1;
  }

  function fill({ rows: listed, score, canOpen, sound, name }: StrongestProps): void {
    const columns = ["rank", score, sound ? "recording" : "source", "target"];
    names.replaceChildren(
      ...columns.map((text, index) =>
        h("th", {
          class: `xattn-column-name${index < 2 ? "" : " xattn-text"}`,
          text: visibleText(text),
          title: visibleText(text),
          attrs: { scope: "col" },
        }),
      ),
    );
    rows = (listed ?? []).map((entry, index) => {
      const { row, value, source, target } = entry;
      const rank = String(index + 1);
      const id = entry.name && entry.name !== String(row) ? `, id ${visibleText(entry.name)}` : "";
      const button = canOpen
        ? h("button", {
            text: rank,
            title: `row ${row}${id}`,
            attrs: {
              type: "button",
              tabindex: index === 0 ? "0" : "-1",
              "aria-label": `${rank}: ${formatValue(value)}, ${visibleText(source)}`,
            },
          })
        : null;
      const text = (content: string) =>
        h(
          "td",
          { class: "xattn-text", title: visibleText(content) },
          h("bdi", { text: visibleText(content) }),
        );
      const first = h("th", { title: `row ${row}${id}`, attrs: { scope: "row" } }, button ?? rank);
      const line = h(
        "tr",
        { class: canOpen ? "xattn-score-row" : "" },
        first,
        h("td", { text: formatValue(value) }),
        text(source),
        text(target),
      );
      return { row, line, button };
    });
    body.replaceChildren(...rows.map(({ line }) => line));
    setText(caption, `Where ${name} is strongest by ${visibleText(score)}`);
    scroller.scrollTop = 0;
  }

  return {
    element,
    show(props) {
      const hadFocus = body.contains(focusedIn(body));
      const changed = !shown || shown.rows !== props.rows || shown.canOpen !== props.canOpen;
      shown = props;
      setText(heading, `Strongest sentences by ${visibleText(props.score)}`);
      if (changed) fill(props);
      for (const { row, line, button } of rows) {
        const isOpen = row === props.open;
        line.classList.toggle("xattn-picked-row", isOpen);
        button?.setAttribute("aria-pressed", String(isOpen));
        if (isOpen && button) stopAt(button);
      }
      if (changed && hadFocus) rows.find(({ button }) => button?.tabIndex === 0)?.button?.focus();
      const none = props.rows !== null && props.rows.length === 0;
      scroller.hidden = none;
      setText(
        note,
        none
          ? "No sentence has a value."
          : props.canOpen
            ? "A click opens a sentence below."
            : "To open sentences here: show_profile(profile, model, tokenizer).",
      );
    },
  };
}
