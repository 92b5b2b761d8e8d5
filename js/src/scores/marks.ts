// The marks of a scatter plot, for the screen and for files: lines, texts and dots with their places.
import type { Head, ScoresReply } from "../core/contract";
import { formatScore, headName } from "../core/format";
import type { Attributes } from "../core/markup";
import { type Dot, dotsOf, niceScale, position } from "./geometry";

export interface Mark {
  kind: "line" | "tick" | "dot";
  tag: "line" | "text" | "circle";
  attrs: Attributes;
  text?: string;
}

export interface DotMark extends Mark {
  head: Head;
  /** The head and its two scores, in words. */
  name: string;
}

export interface Scatter {
  marks: Mark[];
  dots: DotMark[];
}

export const SIZE = { width: 420, height: 300 };
const MARGIN = { left: 58, right: 22, top: 12, bottom: 40 };
const RADIUS = 5;

/** One dot for each head with both scores; `axes` are their names, along and upward. */
export function scatterMarks(x: ScoresReply, y: ScoresReply, axes: readonly [string, string]): Scatter {
  const dots = dotsOf(x.values, y.values);
  const [left, top] = [MARGIN.left, MARGIN.top];
  const [right, bottom] = [SIZE.width - MARGIN.right, SIZE.height - MARGIN.bottom];
  const [xs, ys] = [niceScale(dots.map((dot) => dot.x)), niceScale(dots.map((dot) => dot.y))];
  const px = (value: number) => left + position(value, xs, right - left);
  const py = (value: number) => bottom - position(value, ys, bottom - top);
  const middle = (top + bottom) / 2;
  return {
    marks: [
      ...xs.ticks.map((tick) => line(px(tick), top, px(tick), bottom)),
      ...ys.ticks.map((tick) => line(left, py(tick), right, py(tick))),
      ...xs.ticks.map((tick) => label(tickText(tick), { x: px(tick), y: bottom + 14 }, "middle")),
      ...ys.ticks.map((tick) => label(tickText(tick), { x: left - 6, y: py(tick) + 3.5 }, "end")),
      label(axes[0], { x: (left + right) / 2, y: SIZE.height - 8 }, "middle"),
      label(axes[1], { x: 12, y: middle, transform: `rotate(-90 12 ${middle})` }, "middle"),
    ],
    dots: dots.map((dot) => dotMark(dot, px(dot.x), py(dot.y), axes)),
  };
}

function line(x1: number, y1: number, x2: number, y2: number): Mark {
  return { kind: "line", tag: "line", attrs: { x1, y1, x2, y2 } };
}

function label(text: string, place: Attributes, anchor: string): Mark {
  return { kind: "tick", tag: "text", attrs: { ...place, "text-anchor": anchor }, text };
}

function dotMark(dot: Dot, x: number, y: number, [along, upward]: readonly [string, string]): DotMark {
  return {
    kind: "dot",
    tag: "circle",
    attrs: { cx: x.toFixed(1), cy: y.toFixed(1), r: RADIUS },
    head: dot.head,
    name: `${headName(...dot.head)}: ${along} ${formatScore(dot.x)}, ${upward} ${formatScore(dot.y)}`,
  };
}

/** A round number, as short as possible. */
function tickText(tick: number): string {
  return String(Number(tick.toPrecision(6))).replace("-", "−");
}
