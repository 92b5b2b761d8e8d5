// Draws attention lines on a canvas: one path for each color and weight level, the visible lines only.

import type { Layout, Side } from "../core/contract";
import { centerOf, crosses, type Lines, lineOpacity, lineWidth, packLines, type Slots } from "./geometry";

export interface LineStage {
  layout: Layout;
  source: Slots;
  target: Slots;
  /** How far the tokens are scrolled along their axis. */
  scroll: number;
  width: number;
  height: number;
  /** How wide lines are drawn, 1 where left out. */
  pen?: number;
}

/** Tokens whose lines are drawn with less ink. */
export interface Faint {
  source: readonly boolean[];
  target: readonly boolean[];
}

const LEVELS = 16;
const FAINT = 0.25;

export function paintLines(
  context: CanvasRenderingContext2D,
  lines: Lines,
  stage: LineStage,
  colors: readonly string[],
  faint: Faint | null = null,
): void {
  const { layout, source, target, scroll, width, height } = stage;
  const columns = layout === "columns";
  const extent = columns ? height : width;
  const across = columns ? width : height;
  const bend = across * 0.45;
  const level = (weight: number) => Math.min(LEVELS - 1, Math.floor(Math.sqrt(weight) * LEVELS));
  const count = lines.weight.length;
  const isFaint = (i: number) =>
    faint !== null && !!(faint.source[lines.source[i] ?? 0] || faint.target[lines.target[i] ?? 0]);
  context.lineCap = "butt";
  let start = 0;
  while (start < count) {
    // Lines come sorted by weight, so those of a level are neighbors.
    const current = level(lines.weight[start] ?? 0);
    let end = start;
    while (end < count && level(lines.weight[end] ?? 0) === current) end++;
    const weight = ((current + 0.5) / LEVELS) ** 2;
    context.lineWidth = lineWidth(weight) * (stage.pen ?? 1);
    for (let pass = 0; pass < colors.length * (faint ? 2 : 1); pass++) {
      const set = pass % colors.length;
      const pale = pass >= colors.length;
      context.globalAlpha = lineOpacity(weight) * (pale ? FAINT : 1);
      context.beginPath();
      for (let i = start; i < end; i++) {
        if (lines.set[i] !== set || isFaint(i) !== pale) continue;
        const a = centerOf(source, lines.source[i] ?? 0) - scroll;
        const b = centerOf(target, lines.target[i] ?? 0) - scroll;
        if (!crosses(a, b, 0, extent)) continue;
        if (columns) {
          context.moveTo(0, a);
          context.bezierCurveTo(bend, a, across - bend, b, across, b);
        } else {
          context.moveTo(a, 0);
          context.bezierCurveTo(a, bend, b, across - bend, b, across);
        }
      }
      context.strokeStyle = colors[set] ?? "";
      context.stroke();
    }
    start = end;
  }
  context.globalAlpha = 1;
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

/** A reference link between the middles of its units. */
export interface ReferenceLine {
  source: number[];
  target: number[];
  sure: boolean;
}

/** The links of a reference, drawn over the lines: full where sure, dashed where possible. */
export function paintReference(
  context: CanvasRenderingContext2D,
  links: readonly ReferenceLine[],
  stage: LineStage,
  color: string,
): void {
  const columns = stage.layout === "columns";
  const [extent, across] = columns ? [stage.height, stage.width] : [stage.width, stage.height];
  const middle = (slots: Slots, units: number[]) =>
    units.reduce((sum, unit) => sum + centerOf(slots, unit), 0) / units.length - stage.scroll;
  context.strokeStyle = color;
  context.lineWidth = 1.5;
  for (const { source, target, sure } of links) {
    const [a, b] = [middle(stage.source, source), middle(stage.target, target)];
    if (!crosses(a, b, 0, extent)) continue;
    context.setLineDash(sure ? [] : [4, 3]);
    const bend = across * 0.45;
    context.beginPath();
    if (columns) {
      context.moveTo(0, a);
      context.bezierCurveTo(bend, a, across - bend, b, across, b);
    } else {
      context.moveTo(a, 0);
      context.bezierCurveTo(a, bend, b, across - bend, b, across);
    }
    context.stroke();
  }
  context.setLineDash([]);
}
