// A heat map of target rows by source columns: only its window is painted, labels stay in sight, one cell is pointed at.

import { cellAt } from "../../lines/geometry";
import { h, prepareCanvas } from "../dom";
import { tokenText } from "../format";
import { claim, gridMove } from "../keyboard";
import type { Theme } from "../theme";
import type { Units } from "../units";
import { type HeatLayout, heatLayout, scrollTo } from "./layout";
import {
  type CellMark,
  type HeatCells,
  type HeatPin,
  type HeatWindow,
  heatImage,
  paintCross,
  paintHeat,
  paintLabels,
} from "./paint";

export type At = readonly [target: number, source: number];

export interface HeatProps {
  source: Units;
  target: Units;
  cells: HeatCells;
  marks: readonly CellMark[];
  pin: HeatPin | null;
  fade: boolean;
  enlarged: boolean;
  theme: Theme;
}

export interface HeatEvents {
  /** Another cell is pointed at, by pointer or key; null where none is. */
  cell(at: At | null): void;
  click?(at: At): void;
  /** A second click enlarges or reduces. */
  zoom?(at: At): void;
  unpin?(): void;
  layer?(by: number): void;
}

export interface HeatPane {
  element: HTMLElement;
  show(props: HeatProps): void;
  /** Points at a cell from outside. */
  point(at: At | null): void;
  /** Scrolls a row and a column, or one of them, into the middle: always, or only where they are out of sight. */
  center(row: number | null, column: number | null, always: boolean): void;
  layout(): HeatLayout | null;
}

export function createHeatPane(
  label: string,
  tallest: number,
  events: HeatEvents,
  schedule: (paint: () => void) => void,
  signal: AbortSignal,
): HeatPane {
  const heat = h("canvas", { class: "xattn-heat", attrs: { "aria-hidden": "true" } });
  const cross = h("canvas", { class: "xattn-cross", attrs: { "aria-hidden": "true" } });
  const stick = h("div", { class: "xattn-stick" }, heat, cross);
  const frame = h("div", { class: "xattn-heat-frame" }, stick);
  const element = h(
    "div",
    {
      class: "xattn-plot",
      attrs: { role: "application", tabindex: "0", "aria-label": label },
    },
    frame,
  );
  element.style.maxHeight = `${tallest}px`;

  let props: HeatProps | null = null;
  let layout: HeatLayout | null = null;
  let image: HTMLCanvasElement | null = null;
  let imageOf: Uint32Array | null = null;
  let at: At | null = null;
  let font = "";
  let widths: { of: Units; font: string; width: number }[] = [];

  /** Width of the widest label, measured once for each list of them and each font. */
  function widest(units: Units, most: number): number {
    const held = widths.find((entry) => entry.of === units && entry.font === font)?.width;
    if (held !== undefined) return Math.min(most, held);
    const context = heat.getContext("2d");
    if (context) context.font = font;
    let found = 24;
    for (const text of units.labels)
      found = Math.max(found, (context?.measureText(tokenText(text)).width ?? 0) + 10);
    widths = [...widths.slice(-1), { of: units, font, width: Math.ceil(found) }];
    return Math.min(most, Math.ceil(found));
  }

  function layOut(): void {
    if (!props) return;
    font = getComputedStyle(element).font;
    const width = element.clientWidth || 600;
    const room = {
      width,
      height: tallest - 2,
      leftLabels: widest(props.target, Math.min(130, width / 4)),
      topLabels: widest(props.source, 110),
    };
    layout = heatLayout(props.target.labels.length, props.source.labels.length, room, props.enlarged);
    frame.style.width = `${layout.width}px`;
    frame.style.height = `${layout.height}px`;
  }

  function seen(): HeatWindow | null {
    if (!layout) return null;
    return {
      scrollLeft: element.scrollLeft,
      scrollTop: element.scrollTop,
      width: Math.min(layout.width, element.clientWidth || layout.width),
      height: Math.min(layout.height, element.clientHeight || layout.height),
    };
  }

  function paint(): void {
    const view = seen();
    if (!props || !layout || !view || layout.rows === 0 || layout.columns === 0) return;
    const context = prepareCanvas(heat, view.width, view.height);
    if (context) {
      if (imageOf !== props.cells.pixels || !image) {
        imageOf = props.cells.pixels;
        image = heatImage(imageOf, layout.rows, layout.columns);
      }
      paintHeat(context, image, layout, view, props.cells, props.marks, props.pin, props.theme, font);
      paintLabels(context, props, layout, view, props.fade, props.theme, font);
    }
    paintPointer();
  }

  function paintPointer(): void {
    const view = seen();
    if (!props || !layout || !view) return;
    const context = prepareCanvas(cross, view.width, view.height);
    if (context && at) paintCross(context, at, props, layout, view, props.fade, props.theme, font);
  }

  function move(next: At | null): void {
    if (next?.[0] === at?.[0] && next?.[1] === at?.[1]) return;
    at = next;
    paintPointer();
    events.cell(at);
  }

  function cellOf(event: MouseEvent): At | null {
    if (!layout) return null;
    const box = element.getBoundingClientRect();
    const x = event.clientX - box.left - element.clientLeft;
    const y = event.clientY - box.top - element.clientTop;
    const { margin, cell } = layout;
    if (x < margin.left || y < margin.top) return null;
    return cellAt(
      x - margin.left + element.scrollLeft,
      y - margin.top + element.scrollTop,
      cell.width,
      cell.height,
      layout.rows,
      layout.columns,
    );
  }

  function keepInView(): void {
    if (!at || !layout) return;
    const { margin, cell } = layout;
    const [room, tall] = [element.clientWidth - margin.left, element.clientHeight - margin.top];
    element.scrollLeft = scrollTo(element.scrollLeft, room, at[1] * cell.width, cell.width);
    element.scrollTop = scrollTo(element.scrollTop, tall, at[0] * cell.height, cell.height);
  }

  element.addEventListener("scroll", () => schedule(paint), { signal, passive: true });
  element.addEventListener("pointermove", (event) => move(cellOf(event)), { signal });
  element.addEventListener("pointerleave", () => move(null), { signal });
  element.addEventListener("blur", () => move(null), { signal });
  element.addEventListener(
    "click",
    (event) => {
      const cell = cellOf(event);
      if (cell) events.click?.(cell);
    },
    { signal },
  );
  element.addEventListener(
    "dblclick",
    (event) => {
      const cell = cellOf(event);
      if (cell) events.zoom?.(cell);
    },
    { signal },
  );
  element.addEventListener(
    "keydown",
    (event) => {
      if (!layout || event.ctrlKey || event.metaKey || event.altKey) return;
      if (events.layer && (event.key === "PageUp" || event.key === "PageDown")) {
        claim(event);
        events.layer(event.key === "PageUp" ? -1 : 1);
      } else if (event.key === "Escape") {
        claim(event);
        move(null);
        events.unpin?.();
      } else if (event.key === "Enter" || event.key === " ") {
        claim(event);
        if (at) events.click?.(at);
      } else {
        const next = at
          ? gridMove(event.key, [at[0], at[1]], layout.rows, layout.columns)
          : event.key.startsWith("Arrow")
            ? ([0, 0] as const)
            : null;
        if (!next) return;
        claim(event);
        move(next);
        keepInView();
      }
    },
    { signal },
  );

  return {
    element,
    show(next) {
      // A cell of other tokens is another cell.
      if (props && (props.source !== next.source || props.target !== next.target)) at = null;
      props = next;
      layOut();
      paint();
    },
    point(next) {
      if (next?.[0] === at?.[0] && next?.[1] === at?.[1]) return;
      at = next;
      paintPointer();
    },
    center(row, column, always) {
      if (!layout) return;
      const { cell, margin } = layout;
      /** Where to scroll to for a unit to be in the middle; where it is seen already, nowhere. */
      const middle = (unit: number, slot: number, scroll: number, room: number) => {
        const seen = unit * slot >= scroll && (unit + 1) * slot <= scroll + room;
        return seen && !always ? scroll : (unit + 0.5) * slot - room / 2;
      };
      const [wide, tall] = [element.clientWidth - margin.left, element.clientHeight - margin.top];
      if (column !== null) element.scrollLeft = middle(column, cell.width, element.scrollLeft, wide);
      if (row !== null) element.scrollTop = middle(row, cell.height, element.scrollTop, tall);
      paint();
    },
    layout: () => layout,
  };
}
