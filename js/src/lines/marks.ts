// The marks between the tokens and the lines: how much each source word is read, how probable each target word is, and
// which pieces are one word.
import type { Axis, Side } from "../core/contract";
import { type Scene, unitName } from "../core/scene";
import type { Box, Surface } from "../core/surface";
import type { Theme } from "../core/theme";
import { coverageOf, probabilitiesOf } from "../core/totals";
import type { Units } from "../core/units";
import { centerOf, type Slots, slotAt } from "./geometry";
import type { LineStage } from "./paint";

/** Units from first to last that are pieces of one word. */
export interface Pieces {
  first: number;
  last: number;
}

export interface Marks {
  /** The total weight of each source unit; 1 fills its bar. */
  coverage: Float32Array;
  /** The probability of each target unit; null where it is not known. */
  probability: (number | null)[];
  pieces: { source: Pieces[]; target: Pieces[] };
}

export function marksOf(scene: Scene): Marks {
  const { reply, spec, source, target } = scene;
  return {
    coverage: coverageOf(scene),
    probability: probabilitiesOf(scene),
    pieces: { source: piecesOf(source, reply.source), target: piecesOf(target, reply.target[spec.reading]) },
  };
}

/** Words of which several neighboring units are pieces. */
function piecesOf(units: Units, axis: Axis): Pieces[] {
  const found: Pieces[] = [];
  const wordOf = (unit: number) => axis.groups[units.positions[unit]?.[0] ?? -1] ?? -1;
  for (let first = 0; first < units.labels.length; ) {
    const word = wordOf(first);
    let last = first;
    while (word >= 0 && wordOf(last + 1) === word) last++;
    if (last > first) found.push({ first, last });
    first = last + 1;
  }
  return found;
}

/** What the marks mean, in words. */
export function marksText(scene: Scene, { probability }: Marks): string {
  const unit = unitName(scene);
  const read = `Bars: how much each source ${unit} is read in total (full at 1)`;
  return probability.some((value) => value !== null)
    ? `${read}, and how probable each target ${unit} is.`
    : `${read}.`;
}

/** The room that the marks of one side take up between its tokens and the lines. */
const GUTTER = 36;
/** Without bars, the room for brackets alone. */
const NARROW_GUTTER = 10;
const BRACKET = { from: 1, size: 1.5, tick: 3, inset: 4 };
const BAR = { from: 7, length: 22, read: 6, probable: 3 };
/** What a bar of more than 1 ends with. */
const EXCESS = { gap: 2, size: 3, high: 10 };

/** The room for marks, less where there is little between the tokens. */
export function gutterOf({ probability }: Marks): { source: number; target: number } {
  return { source: GUTTER, target: probability.some((value) => value !== null) ? GUTTER : NARROW_GUTTER };
}

/** Draws the marks of the tokens that the window shows. */
export function paintMarks(surface: Surface, marks: Marks, stage: LineStage, theme: Theme): void {
  for (const side of ["source", "target"] as const) {
    const pen = createPen(surface, stage, side);
    for (const { first, last } of marks.pieces[side]) paintBracket(pen, stage[side], first, last, theme);
    const [first, last] = shownUnits(stage, side);
    for (let unit = first; unit <= last; unit++) {
      const middle = centerOf(stage[side], unit);
      const value = side === "source" ? (marks.coverage[unit] ?? 0) : (marks.probability[unit] ?? null);
      if (value !== null) paintBar(pen, middle, value, side === "source" ? BAR.read : BAR.probable, theme);
    }
  }
}

/** Fills boxes that are given along the tokens of a side, and across from these to the lines. */
type Pen = (along: number, size: number, across: number, length: number, color: string) => void;

function createPen(surface: Surface, stage: LineStage, side: Side): Pen {
  const columns = stage.layout === "columns";
  const [extent, whole] = columns ? [stage.height, stage.width] : [stage.width, stage.height];
  return (along, size, across, length, color) => {
    const start = along - stage.scroll;
    if (start > extent || start + size < 0) return;
    const from = side === "source" ? across : whole - across - length;
    const box: Box = columns
      ? { x: from, y: start, width: length, height: size }
      : { x: start, y: from, width: size, height: length };
    surface.fill(box, color);
  };
}

function shownUnits({ layout, scroll, width, height, ...slots }: LineStage, side: Side): [number, number] {
  const extent = layout === "columns" ? height : width;
  const last = slotAt(slots[side], scroll + extent);
  return [Math.max(0, slotAt(slots[side], scroll)), last < 0 ? slots[side].count - 1 : last];
}

function paintBracket(pen: Pen, slots: Slots, first: number, last: number, theme: Theme): void {
  const { from, size, tick, inset } = BRACKET;
  const [start, end] = [(slots.edges[first] ?? 0) + inset, (slots.edges[last + 1] ?? 0) - inset];
  pen(start, end - start, from + tick, size, theme.muted);
  for (const along of [start, end - size]) pen(along, size, from, tick, theme.muted);
}

function paintBar(pen: Pen, middle: number, value: number, size: number, theme: Theme): void {
  const { from, length } = BAR;
  pen(middle - size / 2, size, from, length, theme.ramp.css(0.1));
  if (value > 0) pen(middle - size / 2, size, from, Math.max(0.5, length * Math.min(1, value)), theme.muted);
  // A tick beyond the end: it is read more than one word has to give.
  if (value > 1.005)
    pen(middle - EXCESS.high / 2, EXCESS.high, from + length + EXCESS.gap, EXCESS.size, theme.foreground);
}
