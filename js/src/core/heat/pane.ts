// A heat map of target rows by source columns: only its window is painted, labels stay in sight, one cell is pointed at.

import { h, prepareCanvas } from "../dom";
import { tokenText } from "../format";
import { claim, gridMove } from "../keyboard";
import { PALETTE } from "../palette";
import { canvasSurface, type Font, type Surface } from "../surface";
import type { Units } from "../units";
import { cellAt, type HeatLayout, heatLayout, labeledWidth, narrowestColumn, scrollTo } from "./layout";
import { type HeatContent, type HeatWindow, paintCross, paintHeat } from "./paint";

export type At = readonly [target: number, source: number];

export interface HeatProps extends HeatContent {
  enlarged: boolean;
  /** The maps that stand side by side with this one: their rows begin at the same height and are equally high. */
  beside?: readonly Pick<HeatContent, "source" | "target">[];
}

export interface HeatEvents {
  /** Another cell is pointed at, by pointer or key; null for none. */
  cell(pointed: At | null): void;
  click?(pointed: At): void;
  /** A second click enlarges or reduces. */
  zoom?(pointed: At): void;
  unpin?(): void;
  layer?(by: number): void;
}

export interface HeatPane {
  element: HTMLElement;
  show(props: HeatProps): void;
  /** Points at a cell from outside. */
  point(pointed: At | null): void;
  /** Scrolls a row and a column, or one of them, into the middle: always, or only where they are out of sight. */
  center(row: number | null, column: number | null, always: boolean): void;
  layout(): HeatLayout | null;
  /** The width in which a map shows the label of every column. */
  widthFor(content: Pick<HeatContent, "source" | "target">): number;
}

/** The room of the labels of rows: at most this, and at least the second where a quarter of the map is less. */
const [MOST_LEFT, LEAST_LEFT] = [130, 64];
/** Number of label lists whose widths are cached: enough for a map and the maps beside it. */
const MEASURED = 5;

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
  element.style.setProperty("--xattn-tallest", `${tallest}px`);

  let props: HeatProps | null = null;
  let layout: HeatLayout | null = null;
  let pointed: At | null = null;
  let font: Font = { family: "", size: 0 };
  let widths: { units: Units; family: string; width: number }[] = [];

  function surfaceOn(canvas: HTMLCanvasElement, { width, height }: HeatWindow): Surface | null {
    const context = prepareCanvas(canvas, width, height);
    return context && canvasSurface(context, font);
  }

  /** Width of the widest label, measured once for each list of them and each font. */
  function widest(units: Units, most: number): number {
    const { family } = font;
    let width = widths.find((entry) => entry.units === units && entry.family === family)?.width;
    if (width === undefined) {
      const context = heat.getContext("2d");
      const surface = context && canvasSurface(context, font);
      const lengths = units.labels.map((label) => (surface?.measure(tokenText(label)) ?? 0) + 10);
      width = Math.ceil(lengths.reduce((a, b) => Math.max(a, b), 24));
      widths = [...widths.slice(-MEASURED), { units, family, width }];
    }
    return Math.min(most, width);
  }

  function readFont(): void {
    const style = getComputedStyle(element);
    font = { family: style.fontFamily, size: Number.parseFloat(style.fontSize) || PALETTE.sizes.text };
  }

  function layOut(): void {
    if (!props) return;
    readFont();
    const width = element.clientWidth || 600;
    const all = [props, ...(props.beside ?? [])];
    const most = (sizes: number[]) => sizes.reduce((a, b) => Math.max(a, b), 0);
    const space = {
      width,
      height: tallest - 2,
      leftLabels: widest(props.target, Math.min(MOST_LEFT, Math.max(LEAST_LEFT, width / 4))),
      topLabels: most(all.map(({ source }) => widest(source, 110))),
      narrowest: narrowestColumn(props.source.kinds),
      rowsBeside: most(all.map(({ target }) => target.labels.length)),
    };
    layout = heatLayout(props.target.labels.length, props.source.labels.length, space, props.enlarged);
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
    const surface = surfaceOn(heat, view);
    if (surface) paintHeat(surface, props, layout, view);
    paintPointer();
  }

  function paintPointer(): void {
    const view = seen();
    if (!props || !layout || !view) return;
    const surface = surfaceOn(cross, view);
    if (surface && pointed) paintCross(surface, props, layout, view, pointed);
  }

  function move(next: At | null): void {
    if (next?.[0] === pointed?.[0] && next?.[1] === pointed?.[1]) return;
    pointed = next;
    paintPointer();
    events.cell(pointed);
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
    if (!pointed || !layout) return;
    const { margin, cell } = layout;
    const [wide, tall] = [element.clientWidth - margin.left, element.clientHeight - margin.top];
    element.scrollLeft = scrollTo(element.scrollLeft, wide, pointed[1] * cell.width, cell.width);
    element.scrollTop = scrollTo(element.scrollTop, tall, pointed[0] * cell.height, cell.height);
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
        if (pointed) events.click?.(pointed);
      } else {
        const next = pointed
          ? gridMove(event.key, [pointed[0], pointed[1]], layout.rows, layout.columns)
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
      // The same place in other tokens is another cell.
      if (props && (props.source !== next.source || props.target !== next.target)) pointed = null;
      props = next;
      layOut();
      paint();
    },
    point(next) {
      if (next?.[0] === pointed?.[0] && next?.[1] === pointed?.[1]) return;
      pointed = next;
      paintPointer();
    },
    center(row, column, always) {
      if (!layout) return;
      const { cell, margin } = layout;
      /** Where to scroll so that a unit is in the middle; nowhere if it is in sight. */
      const middle = (unit: number, slot: number, scroll: number, length: number) => {
        const seen = unit * slot >= scroll && (unit + 1) * slot <= scroll + length;
        return seen && !always ? scroll : (unit + 0.5) * slot - length / 2;
      };
      const [wide, tall] = [element.clientWidth - margin.left, element.clientHeight - margin.top];
      if (column !== null) element.scrollLeft = middle(column, cell.width, element.scrollLeft, wide);
      if (row !== null) element.scrollTop = middle(row, cell.height, element.scrollTop, tall);
      paint();
    },
    layout: () => layout,
    widthFor({ source, target }) {
      readFont();
      const columns = labeledWidth(source.labels.length);
      // A third of the columns is a quarter of the map.
      return columns + widest(target, Math.min(MOST_LEFT, Math.max(LEAST_LEFT, Math.ceil(columns / 3))));
    },
  };
}
