// The canvases of the view: the sound, which stays in place, and below it the rows, which scroll. What moves is on a
// second canvas over each, so that a frame of the cursor draws little.
import { h, prepareCanvas } from "../core/dom";
import { tokenText } from "../core/format";
import { PALETTE } from "../core/palette";
import { canvasSurface, type Font, type Surface } from "../core/surface";
import type { Units } from "../core/units";
import type { SoundContent } from "./content";
import { type SoundLayout, soundLayout } from "./layout";
import { paintHeadMarks, paintRowMarks, type SoundMarks } from "./marks";
import { paintHead, paintRows } from "./paint";

export interface PaneProps {
  content: SoundContent;
  hasPicture: boolean;
  hasGold: boolean;
  enlarged: boolean;
}

export interface SoundPane {
  element: HTMLElement;
  head: HTMLElement;
  rows: HTMLElement;
  show(props: PaneProps): void;
  mark(marks: SoundMarks): void;
  layout(): SoundLayout | null;
  /** The row at a height inside the element of the rows; -1 for none. */
  rowAt(y: number): number;
  /** Scrolls a row into sight. */
  reveal(row: number): void;
}

const TALLEST = 400;

export function createSoundPane(schedule: (paint: () => void) => void, signal: AbortSignal): SoundPane {
  const hidden = { "aria-hidden": "true" };
  const [headBase, headMarks, rowBase, rowMarks] = Array.from({ length: 4 }, () =>
    h("canvas", { attrs: hidden }),
  ) as [HTMLCanvasElement, HTMLCanvasElement, HTMLCanvasElement, HTMLCanvasElement];
  const head = h("div", { class: "xattn-sound-head" }, headBase, headMarks);
  const sizer = h(
    "div",
    { class: "xattn-sound-sizer" },
    h("div", { class: "xattn-stick" }, rowBase, rowMarks),
  );
  const rows = h("div", { class: "xattn-sound-rows" }, sizer);
  const element = h(
    "div",
    {
      class: "xattn-sound-plot",
      attrs: {
        role: "application",
        tabindex: "0",
        "aria-label":
          "Sound and attention over time. Space plays, up and down walk along the words, Enter plays a word, left and right move the cursor, with Shift they select, plus and minus zoom.",
      },
    },
    head,
    rows,
  );

  let props: PaneProps | null = null;
  let layout: SoundLayout | null = null;
  let marks: SoundMarks = { row: -1, current: -1, time: null, selection: null };
  let font: Font = { family: "", size: 0 };
  let measured: { units: Units; family: string; width: number } | null = null;

  function widest(units: Units): number {
    if (measured?.units === units && measured.family === font.family) return measured.width;
    const context = headBase.getContext("2d");
    const surface = context && canvasSurface(context, font);
    const width = units.labels.reduce(
      (most, label) => Math.max(most, surface?.measure(tokenText(label), { size: 12 }) ?? 0),
      surface?.measure("model reads", { size: 11 }) ?? 0,
    );
    measured = { units, family: font.family, width };
    return width;
  }

  function layOut(): void {
    if (!props) return;
    const { content, hasPicture, hasGold, enlarged } = props;
    const style = getComputedStyle(element);
    font = { family: style.fontFamily, size: Number.parseFloat(style.fontSize) || PALETTE.sizes.text };
    const count = content.units.labels.length;
    const make = (width: number) =>
      soundLayout({
        width,
        rows: count,
        hasPicture,
        hasGold,
        strips: content.strips?.heads.length ?? 0,
        hasOutside: content.heard.outside.some((share) => share > 0.005),
        labels: widest(content.units),
        enlarged,
      });
    layout = make(element.clientWidth || 640);
    sizer.style.height = `${Math.ceil(count * layout.row)}px`;
    rows.style.maxHeight = `${TALLEST}px`;
    // A scroll bar of the rows narrows the axis of both.
    const width = rows.clientWidth;
    if (width > 0 && width < layout.width) layout = make(width);
    head.style.height = `${layout.height}px`;
  }

  function surfaceOn(canvas: HTMLCanvasElement, width: number, height: number): Surface | null {
    const context = prepareCanvas(canvas, width, height);
    return context && canvasSurface(context, font);
  }

  /** The rows in sight, and where the first of them is. */
  function sight() {
    if (!props || !layout) return null;
    const count = props.content.units.labels.length;
    const height = Math.min(rows.clientHeight || TALLEST, Math.ceil(count * layout.row));
    const from = Math.max(0, Math.min(count, Math.floor(rows.scrollTop / layout.row)));
    const to = Math.max(from, Math.min(count, Math.ceil((rows.scrollTop + height) / layout.row)));
    return { from, to, top: from * layout.row - rows.scrollTop, height };
  }

  function paint(): void {
    if (!props || !layout) return;
    const surface = surfaceOn(headBase, layout.width, layout.height);
    if (surface) paintHead(surface, props.content, layout, window.devicePixelRatio || 1);
    paintMatrix();
    paintMarks();
  }

  function paintMatrix(): void {
    const seen = sight();
    if (!props || !layout || !seen) return;
    const surface = surfaceOn(rowBase, layout.width, seen.height);
    if (surface)
      paintRows(surface, props.content, layout, window.devicePixelRatio || 1, seen.from, seen.to, seen.top);
  }

  function paintMarks(): void {
    const seen = sight();
    if (!props || !layout || !seen) return;
    const above = surfaceOn(headMarks, layout.width, layout.height);
    if (above) paintHeadMarks(above, props.content, layout, window.devicePixelRatio || 1, marks);
    const below = surfaceOn(rowMarks, layout.width, seen.height);
    if (below) paintRowMarks(below, props.content, layout, marks, seen);
  }

  rows.addEventListener(
    "scroll",
    () =>
      schedule(() => {
        paintMatrix();
        paintMarks();
      }),
    { signal, passive: true },
  );

  return {
    element,
    head,
    rows,
    show(next) {
      props = next;
      layOut();
      paint();
    },
    mark(next) {
      marks = next;
      paintMarks();
    },
    layout: () => layout,
    rowAt(y) {
      if (!props || !layout) return -1;
      const index = Math.floor((y + rows.scrollTop) / layout.row);
      return index >= 0 && index < props.content.units.labels.length ? index : -1;
    },
    reveal(row) {
      if (!layout || row < 0) return;
      const [top, bottom] = [row * layout.row, (row + 1) * layout.row];
      if (top < rows.scrollTop) rows.scrollTop = top;
      else if (bottom > rows.scrollTop + rows.clientHeight) rows.scrollTop = bottom - rows.clientHeight;
    },
  };
}
