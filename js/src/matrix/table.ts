// The shown matrix as a table, to read with a screen reader or to copy: a window of rows and columns at a time.
import { bdi, h, setText } from "../core/dom";
import { formatWeight } from "../core/format";
import { lackingUnit, type Scene } from "../core/scene";

export interface TableView {
  element: HTMLElement;
  show(scene: Scene): void;
}

/** Cells of a window: a page with every cell of 512 x 512 would be unusable. */
const ROWS = 40;
const COLUMNS = 24;

export function createTable(signal: AbortSignal): TableView {
  const caption = h("caption", { class: "xattn-small xattn-muted" });
  const head = h("thead");
  const body = h("tbody");
  const table = h("table", { class: "xattn-table" }, caption, head, body);
  const scroller = h(
    "div",
    {
      class: "xattn-table-scroll",
      attrs: { tabindex: "0", role: "region", "aria-label": "Table of attention weights" },
    },
    table,
  );
  let scene: Scene | null = null;
  let from = { row: 0, column: 0 };

  function pager(axis: "row" | "column", by: number, name: string): HTMLButtonElement {
    const button = h("button", { class: "xattn-button", text: name, attrs: { type: "button" } });
    button.addEventListener(
      "click",
      () => {
        from = { ...from, [axis]: from[axis] + by };
        fill();
      },
      { signal },
    );
    return button;
  }
  const up = pager("row", -ROWS, "Rows before");
  const down = pager("row", ROWS, "Rows after");
  const left = pager("column", -COLUMNS, "Columns before");
  const right = pager("column", COLUMNS, "Columns after");
  const pages = h("div", { class: "xattn-pages" }, up, down, left, right);
  const element = h("div", { class: "xattn-table-box" }, pages, scroller);

  function fill(): void {
    if (!scene) return;
    const { source, target, aggregate } = scene;
    const [rows, columns] = [target.labels.length, source.labels.length];
    const lacking = lackingUnit(scene.spec, target);
    const range = (start: number, size: number, count: number) =>
      Array.from({ length: Math.max(0, Math.min(size, count - start)) }, (_, i) => start + i);
    const [shownRows, shownColumns] = [range(from.row, ROWS, rows), range(from.column, COLUMNS, columns)];
    const cellOf = (scope: string, label: string) =>
      h("th", { class: scope === "col" ? "xattn-column-name" : "", attrs: { scope } }, bdi(label));
    head.replaceChildren(
      h(
        "tr",
        {},
        h("th", { class: "xattn-column-name", text: "target ↓ source →", attrs: { scope: "col" } }),
        ...shownColumns.map((column) => cellOf("col", source.labels[column] ?? "")),
      ),
    );
    body.replaceChildren(
      ...shownRows.map((row) =>
        h(
          "tr",
          {},
          cellOf("row", target.labels[row] ?? ""),
          ...shownColumns.map((column) =>
            h("td", {
              text: row === lacking ? "" : formatWeight(aggregate[row * columns + column] ?? 0, false),
            }),
          ),
        ),
      ),
    );
    const part = (name: string, shown: number[], count: number) =>
      `${name} ${(shown[0] ?? 0) + 1} to ${(shown[shown.length - 1] ?? 0) + 1} of ${count}`;
    setText(
      caption,
      `Weights, rows: target, columns: source. ${part("Rows", shownRows, rows)}, ${part("columns", shownColumns, columns)}.`,
    );
    up.disabled = from.row === 0;
    down.disabled = from.row + ROWS >= rows;
    left.disabled = from.column === 0;
    right.disabled = from.column + COLUMNS >= columns;
    pages.hidden = rows <= ROWS && columns <= COLUMNS;
  }

  return {
    element,
    show(next) {
      if (next === scene) return;
      if (next.source !== scene?.source || next.target !== scene.target) from = { row: 0, column: 0 };
      scene = next;
      fill();
    },
  };
}
