// Draws attention lines on any surface: in one go for each color and level of weight, the visible lines only.
import type { Layout, Side } from "../core/contract";
import type { ReferenceLink } from "../core/reference";
import type { Curve, Surface } from "../core/surface";
import { centerOf, crosses, type Lines, lineOpacity, lineWidth, packLines, type Slots } from "./geometry";

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

/** Adds a line from `a` on the source axis to `b` on the target axis, if the window shows a part of it. */
function connect(curve: Curve, { layout, width, height, scroll }: LineStage, a: number, b: number): void {
  const columns = layout === "columns";
  const [extent, across] = columns ? [height, width] : [width, height];
  const [from, to, bend] = [a - scroll, b - scroll, across * BEND];
  if (!crosses(from, to, 0, extent)) return;
  if (columns) curve(0, from, bend, from, across - bend, to, across, to);
  else curve(from, 0, from, bend, to, across - bend, to, across);
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
              );
        });
      });
    start = end;
  }
}

/** The lines of one token on either side, weakest first. */
export function linesOfToken(
  sets: readonly Float32Array[],
  width: number,
  side: Side,
  unit: number,
  cuts: readonly Float32Array[],
): Lines {
  const found: [number, number, number, number][] = [];
  const height = width > 0 && sets[0] ? sets[0].length / width : 0;
  sets.forEach((matrix, set) => {
    const count = side === "target" ? width : height;
    for (let i = 0; i < count; i++) {
      const [t, s] = side === "target" ? [unit, i] : [i, unit];
      const weight = matrix[t * width + s] ?? 0;
      if (weight > 0 && weight >= (cuts[set]?.[t] ?? 0)) found.push([set, t, s, weight]);
    }
  });
  return packLines(found);
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
