// All numbers as a table, one row per head, under the names that Python's `profile.table` has. A row picks its head.
import type { Head } from "../core/contract";
import { h } from "../core/dom";
import { formatScore, visibleText } from "../core/format";
import { claim, listMove } from "../core/keyboard";
import type { ProfileInfo } from "./contract";
import { type Numbers, tableRows } from "./numbers";

export interface TableView {
  element: HTMLElement;
  show(info: ProfileInfo, numbers: Numbers, head: Head): void;
}

export function createTable(events: { pick(head: Head): void }, signal: AbortSignal): TableView {
  const head = h("thead");
  const body = h("tbody");
  const table = h(
    "table",
    { class: "xattn-table xattn-score-table" },
    h("caption", { class: "xattn-hidden", text: "All numbers of the profile" }),
    head,
    body,
  );
  const scroller = h(
    "div",
    {
      class: "xattn-table-scroll",
      attrs: { role: "region", tabindex: "0", "aria-label": "All numbers of the profile" },
    },
    table,
  );
  const element = h(
    "details",
    { class: "xattn-details" },
    h("summary", { text: "Table of all numbers" }),
    scroller,
  );
  let wanted: [ProfileInfo, Numbers, Head] | null = null;
  let filled: Numbers | null = null;
  let buttons: HTMLButtonElement[] = [];

  element.addEventListener("toggle", () => draw(), { signal });
  body.addEventListener(
    "click",
    (event) => {
      const row = event.target instanceof Element ? event.target.closest("tr") : null;
      const button = row?.querySelector("button");
      if (button) events.pick(headOf(button));
    },
    { signal },
  );
  body.addEventListener(
    "keydown",
    (event) => {
      const index = buttons.indexOf(event.target as HTMLButtonElement);
      const to = listMove(event.key, index, buttons.length);
      const next = index < 0 || to === null ? undefined : buttons[to];
      if (!next) return;
      claim(event);
      for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
      next.focus();
    },
    { signal },
  );

  const headOf = ({ dataset }: HTMLElement): Head => [Number(dataset.layer), Number(dataset.head)];

  function fill(info: ProfileInfo, numbers: Numbers): void {
    const [names = [], ...rows] = tableRows(info, numbers);
    head.replaceChildren(
      h(
        "tr",
        {},
        h("th", { class: "xattn-column-name xattn-heads-column", text: "head", attrs: { scope: "col" } }),
        ...names
          .slice(2)
          .map((text) =>
            h("th", { class: "xattn-column-name", text: visibleText(String(text)), attrs: { scope: "col" } }),
          ),
      ),
    );
    buttons = rows.map(([layer, number], index) =>
      h("button", {
        text: `L${layer} H${number}`,
        attrs: {
          type: "button",
          tabindex: index === 0 ? "0" : "-1",
          "data-layer": String(layer),
          "data-head": String(number),
        },
      }),
    );
    body.replaceChildren(
      ...rows.map((row, index) =>
        h(
          "tr",
          { class: "xattn-score-row" },
          h("th", { attrs: { scope: "row" } }, buttons[index] as HTMLButtonElement),
          ...row
            .slice(2)
            .map((value) => h("td", { text: typeof value === "string" ? value : formatScore(value) })),
        ),
      ),
    );
  }

  /** A large model has ten thousand cells, which are made once someone looks. */
  function draw(): void {
    if (!element.open || !wanted) return;
    const [info, numbers, picked] = wanted;
    if (filled !== numbers) fill(info, numbers);
    filled = numbers;
    for (const button of buttons) {
      const isPicked =
        Number(button.dataset.layer) === picked[0] && Number(button.dataset.head) === picked[1];
      button.setAttribute("aria-pressed", String(isPicked));
      button.closest("tr")?.classList.toggle("xattn-picked-row", isPicked);
    }
  }

  return {
    element,
    show(...next) {
      wanted = next;
      draw();
    },
  };
}
