// Every head with every listed score, sorted by one of them, highest first; a row picks its head.

import type { Head, ScoreInfo } from "../core/contract";
import { focusedIn, h, setText } from "../core/dom";
import { directionText, formatScore, headName } from "../core/format";
import { claim, listMove } from "../core/keyboard";
import { sameHead } from "../core/picks";
import { lowestFirst, rankHeads, rankText } from "../core/ranking";
import { scrollToColumn } from "./geometry";
import type { Grids } from "./grids";

export interface ScoreTableProps {
  scores: readonly ScoreInfo[];
  sorted: string;
  grids: Grids;
}

export interface ScoreTableEvents {
  pick(head: Head, add: boolean): void;
  sort(name: string): void;
}

export interface ScoreTableView {
  element: HTMLElement;
  show(props: ScoreTableProps): void;
  /** Marks the rows of the picked heads. */
  mark(picked: readonly Head[]): void;
}

export function createScoreTable(events: ScoreTableEvents, signal: AbortSignal): ScoreTableView {
  const caption = h("caption", { class: "xattn-hidden", text: "Heads and their scores" });
  const head = h("thead");
  const body = h("tbody");
  const table = h("table", { class: "xattn-table xattn-score-table" }, caption, head, body);
  const element = h(
    "div",
    {
      class: "xattn-table-scroll",
      attrs: { role: "region", tabindex: "0", "aria-label": "Heads and their scores" },
    },
    table,
  );
  /** Whether the lowest value comes first. */
  let rises = false;
  let props: ScoreTableProps | null = null;
  let picked: readonly Head[] = [];
  /** The room behind the last column, in pixels. */
  let room = 0;
  let rows: { head: Head; row: HTMLTableRowElement; button: HTMLButtonElement }[] = [];

  head.addEventListener(
    "click",
    (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      const name = button?.dataset.score;
      if (name === undefined || !props) return;
      rises = name === props.sorted && !rises;
      if (name === props.sorted) {
        fill(props);
        markRows();
      } else events.sort(name);
    },
    { signal },
  );
  const pick = (event: MouseEvent) => {
    const row = event.target instanceof Element ? event.target.closest("tr") : null;
    const found = rows.find((entry) => entry.row === row);
    if (found) events.pick(found.head, event.shiftKey || event.ctrlKey || event.metaKey);
  };
  body.addEventListener("click", pick, { signal });
  body.addEventListener(
    "keydown",
    (event) => {
      const index = rows.findIndex(({ button }) => button === event.target);
      const to = listMove(event.key, index, rows.length);
      if (index < 0 || to === null) return;
      claim(event);
      const next = rows[to];
      for (const { button } of rows) button.tabIndex = -1;
      if (next) next.button.tabIndex = 0;
      next?.button.focus();
    },
    { signal },
  );

  function fill({ scores, sorted, grids: { replies, failures } }: ScoreTableProps): void {
    const values = replies.get(sorted)?.values;
    const focused = focusedIn(head)?.closest<HTMLElement>("[data-score]")?.dataset.score;
    // Without the values to sort by, the heads stand in their own order and have no rank.
    const shape = values ?? [...replies.values()][0]?.values.map((row) => row.map(() => null));
    const highest = shape ? rankHeads(shape, scores.find(({ name }) => name === sorted)?.direction) : [];
    const ranked = rises ? lowestFirst(highest) : highest;
    head.replaceChildren(
      h(
        "tr",
        {},
        h("th", { class: "xattn-column-name", text: "rank", attrs: { scope: "col" } }),
        h("th", { class: "xattn-column-name xattn-heads-column", text: "head", attrs: { scope: "col" } }),
        ...scores.map((score) => {
          const on = score.name === sorted && values !== undefined;
          const button = h("button", {
            text: `${score.name}${on ? (rises ? " ↑" : " ↓") : ""}`,
            title: failures.has(score.name)
              ? `could not be computed: ${failures.get(score.name)}`
              : `${score.description} ${directionText(score)}. Sort by it.`.trim(),
            attrs: { type: "button", "data-score": score.name },
          });
          const sort = !on ? "none" : rises ? "ascending" : "descending";
          return h("th", { class: "xattn-column-name", attrs: { scope: "col", "aria-sort": sort } }, button);
        }),
      ),
    );
    if (focused !== undefined)
      [...head.querySelectorAll("button")].find((button) => button.dataset.score === focused)?.focus();
    rows = ranked.map((entry, index) => {
      const [layer, number] = entry.head;
      const button = h("button", {
        text: `L${layer} H${number}`,
        attrs: {
          type: "button",
          tabindex: index === 0 ? "0" : "-1",
          "aria-label": `L${layer} H${number} (${headName(layer, number)}, rank ${rankText(entry)})`,
        },
      });
      const cells = scores.map((score) => {
        const grid = replies.get(score.name);
        return h("td", {
          class: score.name === sorted ? "xattn-sorted" : "",
          text: grid ? formatScore(grid.values[layer]?.[number]) : failures.has(score.name) ? "failed" : "…",
        });
      });
      const row = h(
        "tr",
        { class: "xattn-score-row" },
        h("td", { class: "xattn-muted", text: rankText(entry) }),
        h("th", { attrs: { scope: "row" } }, button),
        ...cells,
      );
      return { head: entry.head, row, button };
    });
    body.replaceChildren(...rows.map(({ row }) => row));
    setText(
      caption,
      `Heads and their scores, sorted by ${sorted}${rises ? ", lowest first" : ", highest first"}`,
    );
  }

  /** Scrolls the sorted column into sight, beside the column of the heads, which stays and covers no column in part. */
  function reveal(): void {
    const columns = [...head.querySelectorAll<HTMLElement>("th[aria-sort]")];
    const index = columns.findIndex((column) => column.getAttribute("aria-sort") !== "none");
    const names = head.querySelector<HTMLElement>(".xattn-heads-column");
    if (!names || index < 0) return;
    // From the first column: the table need not be what offsets count from.
    const origin = head.querySelector<HTMLElement>("th")?.offsetLeft ?? 0;
    const places = columns.map((column) => ({ left: column.offsetLeft - origin, width: column.offsetWidth }));
    const shown = { scroll: element.scrollLeft, before: names.offsetWidth, width: element.clientWidth };
    const scroll = scrollToColumn(places, index, shown);
    // Without the room a table that ends there could not scroll so far.
    room = Math.max(0, scroll + shown.width - (table.offsetWidth - room));
    table.style.setProperty("--xattn-room", `${room}px`);
    element.scrollLeft = scroll;
  }

  function markRows(): void {
    for (const { head, row, button } of rows) {
      const isPicked = picked.some((other) => sameHead(other, head));
      row.classList.toggle("xattn-picked-row", isPicked);
      button.setAttribute("aria-pressed", String(isPicked));
    }
  }

  return {
    element,
    show(next) {
      if (props && props.sorted !== next.sorted) rises = false;
      props = next;
      fill(next);
      reveal();
    },
    mark(next) {
      picked = next;
      markRows();
    },
  };
}
