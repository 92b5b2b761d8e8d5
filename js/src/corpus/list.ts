// The list of sentences by a quantity, a page at a time. A click or Enter opens a sentence; once one is open, the arrow
// keys open the next.
import { focusedIn, h, setText } from "../core/dom";
import { visibleText } from "../core/format";
import { claim, listMove } from "../core/keyboard";
import type { ListedRow, RowsReply } from "./contract";
import { formatCount, formatValue } from "./numbers";

export interface ListProps {
  reply: RowsReply | null;
  /** What the values are, for the head of their column. */
  name: string;
  logprob: string | null;
  /** The page's number of rows. */
  page: number;
  open: number | null;
  search: string;
  errors: readonly string[];
}

export interface ListEvents {
  open(row: number): void;
  /** Goes to the page that begins at this place. */
  page(start: number): void;
}

export interface ListView {
  element: HTMLElement;
  show(props: ListProps): void;
}

/** How long an arrow key waits for the next one before it opens its sentence: the model runs for each. */
const PAUSE = 150;

export function createList(what: string, events: ListEvents, signal: AbortSignal): ListView {
  const heading = h("tr");
  const body = h("tbody");
  const caption = h("caption", { class: "xattn-hidden" });
  const table = h("table", { class: "xattn-table xattn-sentences" }, caption, h("thead", {}, heading), body);
  const scroller = h(
    "div",
    {
      class: "xattn-table-scroll xattn-sentences-scroll",
      attrs: { role: "region", tabindex: "0", "aria-label": `Ranked ${what}s` },
    },
    table,
  );
  const count = h("span", { class: "xattn-small xattn-muted", attrs: { role: "status" } });
  const before = pager("Previous");
  const after = pager("Next");
  const element = h(
    "div",
    { class: "xattn-ranked-sentences" },
    scroller,
    h("div", { class: "xattn-sentences-foot" }, count, before, after),
  );
  let props: ListProps | null = null;
  let rows: { listed: ListedRow; row: HTMLTableRowElement; button: HTMLButtonElement }[] = [];
  let filled: RowsReply | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });

  function pager(text: string): HTMLButtonElement {
    return h("button", { class: "xattn-button xattn-small", text, attrs: { type: "button" } });
  }

  const turn = (by: number) => {
    const { start = 0 } = props?.reply ?? {};
    events.page(Math.max(0, start + by * (props?.page ?? 1)));
  };
  before.addEventListener("click", () => turn(-1), { signal });
  after.addEventListener("click", () => turn(1), { signal });

  body.addEventListener(
    "click",
    (event) => {
      const row = event.target instanceof Element ? event.target.closest("tr") : null;
      const found = rows.find((entry) => entry.row === row);
      if (!found) return;
      stopAt(found.button);
      events.open(found.listed.row);
    },
    { signal },
  );
  body.addEventListener(
    "keydown",
    (event) => {
      const index = rows.findIndex(({ button }) => button === event.target);
      const to = listMove(event.key, index, rows.length);
      if (index < 0 || to === null) return;
      claim(event);
      const next = rows[to];
      if (!next) return;
      stopAt(next.button);
      next.button.focus();
      clearTimeout(timer);
      if (props?.open != null) timer = setTimeout(() => events.open(next.listed.row), PAUSE);
    },
    { signal },
  );

  /** One row is reached by Tab, and the others from it by arrow keys. */
  function stopAt(button: HTMLButtonElement): void {
    for (const entry of rows) entry.button.tabIndex = entry.button === button ? 0 : -1;
  }

  function fill({ reply, name, logprob }: ListProps): void {
    const columns = ["rank", name, ...(logprob ? [logprob] : []), "source", "target"];
    heading.replaceChildren(
      ...columns.map((text, index) =>
        h("th", {
          class: `xattn-column-name${index < columns.length - 2 ? "" : " xattn-text"}`,
          text: visibleText(text),
          title: visibleText(text),
          attrs: { scope: "col" },
        }),
      ),
    );
    rows = (reply?.rows ?? []).map((listed, index) => {
      const { row, rank, value, source, target } = listed;
      const button = h("button", {
        text: formatCount(rank),
        title: `row ${row}${listed.name && listed.name !== String(row) ? `, id ${visibleText(listed.name)}` : ""}`,
        attrs: {
          type: "button",
          tabindex: index === 0 ? "0" : "-1",
          "aria-label": `${rank}: ${formatValue(value)}, ${visibleText(source)}`,
        },
      });
      const number = (value: ListedRow["value"]) => h("td", { text: formatValue(value) });
      const text = (content: string) =>
        h(
          "td",
          { class: "xattn-text", title: visibleText(content) },
          h("bdi", { text: visibleText(content) }),
        );
      return {
        listed,
        button,
        row: h(
          "tr",
          { class: "xattn-score-row" },
          h("th", { attrs: { scope: "row" } }, button),
          number(value),
          ...(logprob ? [number(listed.logprob)] : []),
          text(source),
          text(target),
        ),
      };
    });
    body.replaceChildren(...rows.map(({ row }) => row));
    setText(caption, `Sentences by ${name}`);
    scroller.scrollTop = 0;
  }

  let revealed: number | null = null;

  function mark(open: number | null): void {
    for (const { listed, row, button } of rows) {
      const isOpen = listed.row === open;
      row.classList.toggle("xattn-picked-row", isOpen);
      button.setAttribute("aria-pressed", String(isOpen));
      if (!isOpen) continue;
      stopAt(button);
      // Once: the reader may scroll away from it.
      if (open !== revealed) reveal(row);
      revealed = open;
    }
  }

  /** Scrolls the list alone: the page must not move under the reader. */
  function reveal(row: HTMLElement): void {
    const head = heading.offsetHeight;
    if (row.offsetTop - head < scroller.scrollTop) scroller.scrollTop = row.offsetTop - head;
    const below = row.offsetTop + row.offsetHeight - scroller.clientHeight;
    if (below > scroller.scrollTop) scroller.scrollTop = below;
  }

  function counted({ reply, page, search, errors }: ListProps): void {
    if (!reply) {
      setText(count, "…");
      return;
    }
    const { start, found, ranked, missing } = reply;
    const last = Math.min(start + page, found);
    const parts = [
      found === 0
        ? search
          ? `no ${what} contains “${visibleText(search)}”`
          : `no ${what} has a value`
        : `${formatCount(start + 1)}–${formatCount(last)} of ${formatCount(found)}`,
    ];
    if (search && found > 0) parts.push(`of ${formatCount(ranked)} with a value`);
    if (missing > 0) parts.push(`${formatCount(missing)} without a value`);
    setText(count, parts.join(" · "));
    count.title = missing > 0 ? errors.map(visibleText).join("\n") : "";
    before.disabled = start === 0;
    after.disabled = last >= found;
    const isOnly = found <= page && start === 0;
    before.hidden = isOnly;
    after.hidden = isOnly;
  }

  return {
    element,
    show(next) {
      const hadFocus = body.contains(focusedIn(body));
      const changed =
        filled !== next.reply || props?.name !== next.name || props?.logprob !== next.logprob || !props;
      props = next;
      if (changed) {
        clearTimeout(timer);
        filled = next.reply;
        fill(next);
      }
      mark(next.open);
      if (changed && hadFocus) rows.find(({ button }) => button.tabIndex === 0)?.button.focus();
      counted(next);
    },
  };
}
