// Draws attention lines on any surface: in one go for each color and level of weight, the visible lines only.
import type { Layout } from "../core/contract";
import type { ReferenceLink } from "../core/reference";
import type { Curve, Surface } from "../core/surface";
import { centerOf, crosses, lineOpacity, lineWidth, type Slots } from "./geometry";
import { type Lines, WIDEST_BUNDLE } from "./selection";

export interface LineStage {
  layout: Layout;
  source: Slots;
  target: Slots;
  /** How far the tokens are scrolled along their axis. */
  scroll: number;
  width: number;
  height: number;
  /** Scales the width of the lines; 1 where it is left out. */
  pen?: number;
  /** What lies between the tokens of a side and the ends of the lines: room for the marks of the tokens. */
  gutter?: { source: number; target: number };
}

/** Tokens whose lines are drawn faintly. */
export interface Faint {
  source: readonly boolean[];
  target: readonly boolean[];
}

const LEVELS = 16;
const FAINT = 0.25;
/** The dashes of muted heads: their weights are computed, but nothing comes of them. */
const MUTED = [7, 5];
/** How far a line runs straight on from its ends, as a share of its way across. */
const BEND = 0.45;

/**
 * Adds a line from `a` on the source axis to `b` on the target axis, if the window shows a part of it. `lane` moves it to
 * the side of its middle: where it runs aslant, it turns sooner or later than its neighbors, to stay as far from them.
 */
function connect(curve: Curve, stage: LineStage, a: number, b: number, lane = 0): void {
  const { layout, width, height, scroll, gutter = { source: 0, target: 0 } } = stage;
  const columns = layout === "columns";
  const [extent, across] = columns ? [height, width] : [width, height];
  const [from, to] = [a - scroll + lane, b - scroll + lane];
  if (!crosses(from, to, 0, extent)) return;
  const [start, end] = [gutter.source, across - gutter.target];
  const bend = (end - start) * BEND;
  // The slope halfway along the curve: the derivative of a cubic between these four points.
  const slope = Math.atan2(1.5 * Math.abs(b - a), 1.5 * (end - start - bend));
  const turn = (4 / 3) * lane * Math.tan(slope / 2) * Math.sign(b - a);
  const [first, second] = [start + bend - turn, end - bend - turn];
  if (columns) curve(start, from, first, from, second, to, end, to);
  else curve(from, start, from, first, to, second, to, end);
}

/** Scales lanes, which are made for slots a little larger than the widest bundle. */
function laneScale({ source, target, pen = 1 }: LineStage): number {
  const slots = [source, target].filter(({ count }) => count > 0).map(({ total, count }) => total / count);
  return Math.min(
    pen,
    slots.reduce((least, size) => Math.min(least, size), Number.POSITIVE_INFINITY) / WIDEST_BUNDLE,
  );
}

export function paintLines(
  surface: Surface,
  lines: Lines,
  stage: LineStage,
  colors: readonly string[],
  faint: Faint | null = null,
  muted: readonly boolean[] = [],
): void {
  const level = (index: number) =>
    Math.min(LEVELS - 1, Math.floor(Math.sqrt(lines.weight[index] ?? 0) * LEVELS));
  const isFaint = (i: number) =>
    faint !== null && !!(faint.source[lines.source[i] ?? 0] || faint.target[lines.target[i] ?? 0]);
  const count = lines.weight.length;
  const scale = laneScale(stage);
  let start = 0;
  while (start < count) {
    // Lines are sorted by weight, so those of a level are neighbors.
    const current = level(start);
    let end = start;
    while (end < count && level(end) === current) end++;
    const weight = ((current + 0.5) / LEVELS) ** 2;
    const [first, last] = [start, end];
    for (const pale of faint ? [false, true] : [false])
      colors.forEach((color, set) => {
        const opacity = lineOpacity(weight) * (pale ? FAINT : 1);
        const dash = muted[set] ? { dash: MUTED } : {};
        surface.curves({ color, width: lineWidth(weight) * (stage.pen ?? 1), opacity, ...dash }, (curve) => {
          for (let i = first; i < last; i++)
            if (lines.set[i] === set && isFaint(i) === pale)
              connect(
                curve,
                stage,
                centerOf(stage.source, lines.source[i] ?? 0),
                centerOf(stage.target, lines.target[i] ?? 0),
                (lines.lane[i] ?? 0) * scale,
              );
        });
      });
    start = end;
  }
}

/** The links of a reference, drawn over the lines: full where sure, dashed where possible. */
export function paintReference(
  surface: Surface,
  links: readonly ReferenceLink[],
  stage: LineStage,
  color: string,
): void {
  const middle = (slots: Slots, units: number[]) =>
    units.reduce((sum, unit) => sum + centerOf(slots, unit), 0) / units.length;
  for (const { source, target, sure } of links)
    surface.curves({ color, width: 1.5, dash: sure ? [] : [4, 3] }, (curve) =>
      connect(curve, stage, middle(stage.source, source), middle(stage.target, target)),
    );
}
