// Source and target tokens, and on canvases between them the lines of the picked heads.
import type { Layout, Side } from "../core/contract";
import { h, prepareCanvas, setText } from "../core/dom";
import { rowName, tokenText } from "../core/format";
import type { Token } from "../core/inspect";
import { PALETTE } from "../core/palette";
import { type ReferenceLink, referenceLinks } from "../core/reference";
import type { Scene } from "../core/scene";
import { canvasSurface, type Surface } from "../core/surface";
import type { Theme } from "../core/theme";
import { coverageTexts, probabilityTexts } from "../core/totals";
import { rowCuts } from "./cuts";
import { type Slots, stretchedSlots, uniformSlots } from "./geometry";
import { gutterOf, type Marks, marksOf, marksText, paintMarks } from "./marks";
import { createOverview } from "./overview";
import { type LineStage, paintLines, paintReference } from "./paint";
import {
  closeFilter,
  collectLines,
  type Filter,
  filterFor,
  filterText,
  type Lines,
  linesOfToken,
  MAX_LINES,
} from "./selection";
import { createTokenList, type PartnerMark, type TokenEvents } from "./tokens";

export interface LinesProps {
  scene: Scene;
  layout: Layout;
  filter: Filter;
  fade: boolean;
  /** One color for each line set. */
  colors: readonly string[];
  /** Whether the heads of each line set are muted. */
  muted: readonly boolean[];
  theme: Theme;
}

export interface ActiveToken {
  side: Side;
  unit: number;
  /** Partners on the other side, and how strong they are. */
  partners: ReadonlyMap<number, PartnerMark>;
}

export interface LinesView {
  element: HTMLElement;
  show(props: LinesProps): void;
  activate(active: ActiveToken | null): void;
  /** Outlines the pinned token. */
  pin(token: Token | null): void;
  focus(side: Side, unit: number): void;
  setTabStop(side: Side, unit: number): void;
  /** Marks the tokens that a search found. */
  found(side: Side, units: ReadonlySet<number>): void;
  /** Scrolls a token into sight, inside the panel only. */
  reveal(side: Side, unit: number): void;
}

const ROW_HEIGHT = 24;
const VERTICAL_SLOT = 24;
const TALLEST_LABEL = 120;
const TOKEN_PADDING = 14;
/** Up to so many tokens get their names with the picture, more of them later, in milliseconds. */
const DESCRIBED_AT_ONCE = 160;
const DESCRIBE_DELAY = 150;
const NONE: ReadonlyMap<number, PartnerMark> = new Map();

export function createLines(
  events: TokenEvents,
  schedule: (paint: () => void) => void,
  signal: AbortSignal,
): LinesView {
  const source = createTokenList("source", events, signal);
  const target = createTokenList("target", events, signal);
  const base = h("canvas", { class: "xattn-base", attrs: { "aria-hidden": "true" } });
  const overlay = h("canvas", { class: "xattn-overlay", attrs: { "aria-hidden": "true" } });
  const bars = h("canvas", { attrs: { "aria-hidden": "true" } });
  const stick = h("div", { class: "xattn-stick" }, base, bars, overlay);
  const between = h("div", { class: "xattn-between" }, stick);
  const body = h("div", { class: "xattn-lines-body" }, source.element, between, target.element);
  const scroller = h("div", { class: "xattn-lines-scroll" }, body);
  const overview = createOverview({ scroll: (top) => scroller.scrollTo({ top }) }, signal);
  const stretch = h("div", { class: "xattn-lines-stretch" }, scroller, overview.element);
  const note = h("div", { class: "xattn-small xattn-muted xattn-line-note" });
  const sourceTitle = h("span", { class: "xattn-label" });
  const probabilityTitle = h("span", { class: "xattn-label", text: "probability" });
  const targetTitle = h("span", { class: "xattn-label" });
  const titles = h(
    "div",
    { class: "xattn-side-titles", attrs: { "aria-hidden": "true" } },
    sourceTitle,
    h(
      "span",
      { class: "xattn-mark-titles" },
      h("span", { class: "xattn-label", text: "read" }),
      probabilityTitle,
    ),
    targetTitle,
  );
  const element = h("div", { class: "xattn-lines" }, titles, stretch, note);

  let props: LinesProps | null = null;
  let lines: Lines | null = null;
  let marks: Marks | null = null;
  /** What is kept of the lines of an inspected token. */
  let closeCuts: Float32Array[] = [];
  let links: ReferenceLink[] = [];
  let active: ActiveToken | null = null;
  let slots: { source: Slots; target: Slots; vertical: boolean; key: string; scene: Scene } | null = null;
  let widths: { scene: Scene; font: string; source: number[]; target: number[] } | null = null;
  let extent = 0;

  function measure(scene: Scene): { source: number[]; target: number[] } {
    const { font } = getComputedStyle(body);
    if (widths?.scene === scene && widths.font === font) return widths;
    const context = overlay.getContext("2d");
    if (context) context.font = font;
    const width = (label: string) => {
      const text = tokenText(label);
      return Math.min(160, (context?.measureText(text).width ?? text.length * 7) + TOKEN_PADDING);
    };
    widths = {
      scene,
      font,
      source: scene.source.labels.map(width),
      target: scene.target.labels.map(width),
    };
    return widths;
  }

  /** Rows are written across when they fit, and downward when they do not. */
  function place(scene: Scene, layout: Layout): NonNullable<typeof slots> {
    const length = Math.floor(scroller.clientWidth);
    const key = layout === "columns" ? layout : `${layout} ${length} ${getComputedStyle(body).font}`;
    if (slots?.key === key && slots.scene === scene) return slots;
    const counts = [scene.source.labels.length, scene.target.labels.length] as const;
    if (layout === "columns") {
      slots = {
        source: uniformSlots(counts[0], ROW_HEIGHT),
        target: uniformSlots(counts[1], ROW_HEIGHT),
        vertical: false,
        key,
        scene,
      };
      return slots;
    }
    const natural = measure(scene);
    const sum = (sizes: number[]) => sizes.reduce((a, b) => a + b, 0);
    const longest = Math.max(sum(natural.source), sum(natural.target));
    const vertical = longest > length;
    const sizes = vertical
      ? { source: natural.source.map(() => VERTICAL_SLOT), target: natural.target.map(() => VERTICAL_SLOT) }
      : natural;
    const need = Math.max(sum(sizes.source), sum(sizes.target));
    const total = Math.max(need, Math.min(length, need * 2.2));
    slots = {
      source: stretchedSlots(sizes.source, Math.min(total, sum(sizes.source) * 4)),
      target: stretchedSlots(sizes.target, Math.min(total, sum(sizes.target) * 4)),
      vertical,
      key,
      scene,
    };
    return slots;
  }

  function stage(): LineStage | null {
    if (!props || !slots || !marks) return null;
    const columns = props.layout === "columns";
    return {
      gutter: gutterOf(marks),
      layout: props.layout,
      source: slots.source,
      target: slots.target,
      scroll: columns ? scroller.scrollTop : scroller.scrollLeft,
      width: columns ? between.clientWidth : Math.min(extent, scroller.clientWidth),
      height: columns ? Math.min(extent, scroller.clientHeight) : between.clientHeight,
    };
  }

  function surfaceOn(canvas: HTMLCanvasElement, { width, height }: LineStage): Surface | null {
    const context = prepareCanvas(canvas, width, height);
    return context && canvasSurface(context);
  }

  function paintBase(): void {
    const drawn = stage();
    if (!drawn || !props || !lines) return;
    const surface = surfaceOn(base, drawn);
    if (!surface) return;
    const { scene, fade, colors, muted, theme } = props;
    const faint = fade ? { source: scene.source.special, target: scene.target.special } : null;
    paintLines(surface, lines, drawn, colors, faint, muted);
    paintReference(surface, links, drawn, theme.mark);
    // On a canvas of their own: they stay when the lines fade behind those of a token.
    const above = surfaceOn(bars, drawn);
    if (above && marks) paintMarks(above, marks, drawn, theme);
  }

  function paintOverlay(): void {
    const drawn = stage();
    if (!drawn || !props) return;
    const surface = surfaceOn(overlay, drawn);
    const { scene, colors, muted } = props;
    const activeLines =
      active && linesOfToken(scene.sets, scene.source.labels.length, active.side, active.unit, closeCuts);
    if (surface && activeLines) paintLines(surface, activeLines, drawn, colors, null, muted);
    if (!overview.element.hidden) overview.mark(scroller.scrollTop, activeLines);
  }

  /** A sentence that is longer than its window gets an overview beside it. */
  function paintOverview(): void {
    if (!props || !slots || !lines || overview.element.hidden) return;
    const { colors, theme } = props;
    overview.show({ ...slots, lines, colors, theme, height: scroller.clientHeight, extent });
  }

  function layOut(): void {
    if (!props) return;
    const { scene, layout, fade } = props;
    const columns = layout === "columns";
    element.classList.toggle("xattn-rows", !columns);
    const named = rowName(scene.spec.reading, scene.spec.words);
    setText(sourceTitle, columns ? "Source" : "Source above");
    setText(targetTitle, columns ? `Target · ${named}` : `Target below · ${named}`);
    const placed = place(scene, layout);
    extent = Math.max(placed.source.total, placed.target.total);
    body.style.height = columns ? `${extent}px` : "";
    body.style.width = columns ? "" : `${Math.max(extent, 1)}px`;
    overview.element.hidden = !columns || extent <= PALETTE.sizes.window;
    element.classList.toggle("xattn-long", !overview.element.hidden);
    if (placed.vertical) {
      const wide = measure(scene);
      for (const side of ["source", "target"] as const) {
        const length = Math.min(
          TALLEST_LABEL,
          wide[side].reduce((a, b) => Math.max(a, b), 0),
        );
        body.style.setProperty(`--xattn-${side}-length`, `${Math.ceil(length)}px`);
      }
    }
    source.show(scene.source, placed.source, layout, placed.vertical, fade);
    target.show(scene.target, placed.target, layout, placed.vertical, fade);
    describeSoon(scene);
  }

  let describing: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(describing), { once: true });

  /** Names the tokens with their numbers; many of them after the picture, which should not wait for it. */
  function describeSoon(scene: Scene): void {
    const describe = () => {
      source.describe(coverageTexts(scene));
      target.describe(probabilityTexts(scene));
    };
    clearTimeout(describing);
    if (scene.source.labels.length + scene.target.labels.length <= DESCRIBED_AT_ONCE) describe();
    else describing = setTimeout(describe, DESCRIBE_DELAY);
  }

  const repaint = () => {
    if (scroller.clientWidth === 0) return; // hidden: it is drawn again when it is not
    paintBase();
    paintOverlay();
  };
  scroller.addEventListener("scroll", () => schedule(repaint), { signal, passive: true });

  function collect({ scene, filter }: LinesProps): void {
    const width = scene.source.labels.length;
    const cutsOf = (kept: Filter) => scene.sets.map((matrix) => rowCuts(matrix, width, kept));
    closeCuts = cutsOf(closeFilter(filter));
    lines = collectLines(scene.sets, width, cutsOf(filterFor(scene, filter)), MAX_LINES);
    marks = marksOf(scene);
    probabilityTitle.hidden = marks.probability.every((value) => value === null);
    links = referenceLinks(scene);
    const { text, advice } = filterText(scene, filter, lines);
    setText(note, [text, advice, marksText(scene, marks)].filter(Boolean).join(" "));
  }

  return {
    element,
    show(next) {
      const before = props;
      const moved = before?.scene.source !== next.scene.source || before.scene.target !== next.scene.target;
      if (moved || before?.layout !== next.layout) active = null;
      props = next;
      if (before?.scene !== next.scene || before.filter !== next.filter) collect(next);
      layOut();
      repaint();
      if (!overview.element.hidden) schedule(paintOverview);
    },
    activate(next) {
      active = next;
      element.classList.toggle("xattn-has-active", active !== null);
      for (const list of [source, target]) {
        const isSide = active !== null && (active.side === "source") === (list === source);
        list.mark(isSide ? (active?.unit ?? null) : null, isSide ? NONE : (active?.partners ?? NONE));
      }
      // In the frame, when the readout is written as well: painting asks for the layout, which is computed once then.
      schedule(paintOverlay);
    },
    pin(token) {
      source.pin(token?.side === "source" ? token.unit : null);
      target.pin(token?.side === "target" ? token.unit : null);
    },
    focus: (side, unit) => (side === "source" ? source : target).focus(unit),
    found: (side, units) => (side === "source" ? source : target).found(units),
    setTabStop: (side, unit) => (side === "source" ? source : target).setTabStop(unit),
    reveal(side, unit) {
      if (!props || !slots) return;
      const columns = props.layout === "columns";
      const { edges } = slots[side];
      const [start, end] = [edges[unit] ?? 0, edges[unit + 1] ?? 0];
      const [from, length] = columns
        ? [scroller.scrollTop, scroller.clientHeight]
        : [scroller.scrollLeft, scroller.clientWidth];
      if (start >= from && end <= from + length) return;
      const to = Math.max(0, (start + end - length) / 2);
      if (columns) scroller.scrollTop = to;
      else scroller.scrollLeft = to;
    },
  };
}
