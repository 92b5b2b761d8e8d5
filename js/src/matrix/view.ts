// A heat map of the picked heads with the reference drawn over it, or the same numbers as a table.

import { h, setText } from "../core/dom";
import { rowName } from "../core/format";
import { referenceMarks, sceneCells } from "../core/heat/cells";
import { canEnlarge } from "../core/heat/layout";
import { createLegend } from "../core/heat/legend";
import type { CellMark, HeatCells, HeatPin } from "../core/heat/paint";
import { type At, createHeatPane } from "../core/heat/pane";
import { PALETTE } from "../core/palette";
import type { Scene } from "../core/scene";
import type { Theme } from "../core/theme";
import { createTable } from "./table";

export interface MatrixProps {
  scene: Scene;
  pin: HeatPin | null;
  fade: boolean;
  enlarged: boolean;
  table: boolean;
  theme: Theme;
}

export interface MatrixEvents {
  cell(cell: At | null): void;
  pin(target: number): void;
  unpin(): void;
  layer(by: number): void;
  zoom(enlarged: boolean): void;
  table(shown: boolean): void;
}

export interface MatrixView {
  element: HTMLElement;
  show(props: MatrixProps): void;
  /** Scrolls the pinned row or column into sight. */
  reveal(pin: HeatPin): void;
}

export function createMatrix(
  events: MatrixEvents,
  schedule: (paint: () => void) => void,
  signal: AbortSignal,
): MatrixView {
  let zoomTo: At | null = null;
  const pane = createHeatPane(
    "Heat map of attention, target rows by source columns; arrow keys move the cell",
    PALETTE.sizes.window,
    {
      cell: events.cell,
      click: ([target]) => events.pin(target),
      unpin: events.unpin,
      layer: events.layer,
      zoom(cell) {
        zoomTo = cell;
        events.zoom(!props?.enlarged);
      },
    },
    schedule,
    signal,
  );
  const table = createTable(signal);
  const legend = createLegend("Weight", "Square-root scale, so that small weights can be told from none");
  const zoom = button("Enlarge", () => events.zoom(!props?.enlarged));
  const asTable = button("As a table", () => events.table(!props?.table));
  const tools = h("div", { class: "xattn-tools" }, asTable, zoom);
  const foot = h("div", { class: "xattn-foot" }, legend.element, tools);
  const element = h("div", { class: "xattn-matrix" }, pane.element, table.element, foot);

  let props: MatrixProps | null = null;
  let colored: { scene: Scene; theme: Theme; cells: HeatCells; marks: CellMark[] } | null = null;

  function button(text: string, act: () => void): HTMLButtonElement {
    const element = h("button", {
      class: "xattn-button",
      text,
      attrs: { type: "button", "aria-pressed": "false" },
    });
    element.addEventListener("click", act, { signal });
    return element;
  }

  return {
    element,
    show(next) {
      props = next;
      const { scene, theme } = next;
      // Coloring every cell again on each small change would be noticeably slow.
      if (colored?.scene !== scene || colored.theme !== theme)
        colored = {
          scene,
          theme,
          cells: sceneCells(scene, scene.top, theme),
          marks: referenceMarks(scene),
        };
      pane.element.hidden = next.table;
      table.element.hidden = !next.table;
      legend.element.hidden = next.table;
      if (next.table) table.show(scene);
      else pane.show({ ...scene, ...colored, ...next });
      const layout = pane.layout();
      const zooms = !next.table && layout && (next.enlarged || canEnlarge(layout));
      // It keeps its place, so that the foot has the same height for every sentence.
      zoom.style.visibility = zooms ? "" : "hidden";
      setText(zoom, next.enlarged ? "Whole matrix" : "Enlarge");
      zoom.removeAttribute("aria-pressed");
      asTable.setAttribute("aria-pressed", String(next.table));
      if (zoomTo && next.enlarged) pane.center(zoomTo[0], zoomTo[1], true);
      zoomTo = null;
      const outlined =
        colored.marks.length > 0 ? "; outlined: the reference, dashed where a link is only possible" : "";
      legend.show(
        theme.ramp.gradient,
        ["0", (scene.top / 4).toFixed(2), scene.top.toFixed(2)],
        `rows: ${rowName(scene.spec.reading, scene.spec.words)}, columns: source${outlined}`,
      );
    },
    reveal: ({ side, unit }) =>
      side === "target" ? pane.center(unit, null, false) : pane.center(null, unit, false),
  };
}
