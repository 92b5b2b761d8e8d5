// The sentence as a drawing: every token as text, every line that is kept as a path.

import type { Layout } from "../core/contract";
import { referenceLines } from "../core/heat/cells";
import { type Drawing, label, type Style, tag } from "../core/markup";
import type { Scene } from "../core/scene";
import {
  centerOf,
  collectLines,
  type Filter,
  lineOpacity,
  lineWidth,
  rowCuts,
  type Slots,
  stretchedSlots,
  uniformSlots,
} from "./geometry";

const ROW = 22;
const GAP = 260;
const TALL = 180;
const PADDING = 14;
/** As many lines as the panel draws. */
const MOST = 4000;

export function drawLines(
  scene: Scene,
  layout: Layout,
  filter: Filter,
  colors: readonly string[],
  style: Style,
): Drawing {
  const columns = layout === "columns";
  const width = scene.source.labels.length;
  const widths = (labels: readonly string[]) =>
    labels.map((text) => Math.min(180, style.measure(text)) + PADDING);
  const [wideSource, wideTarget] = [widths(scene.source.labels), widths(scene.target.labels)];
  const sum = (sizes: number[]) => sizes.reduce((a, b) => a + b, 0);
  const total = Math.max(sum(wideSource), sum(wideTarget));
  const slots = columns
    ? { source: uniformSlots(width, ROW), target: uniformSlots(scene.target.labels.length, ROW) }
    : { source: stretchedSlots(wideSource, total), target: stretchedSlots(wideTarget, total) };
  const left = columns ? Math.max(0, ...wideSource) : 0;
  const right = columns ? Math.max(0, ...wideTarget) : 0;
  const cuts = scene.sets.map((matrix) => rowCuts(matrix, width, filter));
  const lines = collectLines(scene.sets, width, cuts, MOST);
  let body = "";
  lines.weight.forEach((weight, i) => {
    body += tag("path", {
      d: curve(
        columns,
        left,
        centerOf(slots.source, lines.source[i] ?? 0),
        centerOf(slots.target, lines.target[i] ?? 0),
      ),
      stroke: colors[lines.set[i] ?? 0] ?? "",
      "stroke-width": lineWidth(weight),
      "stroke-opacity": lineOpacity(weight),
      fill: "none",
    });
  });
  const middle = (at: Slots, units: number[]) => sum(units.map((unit) => centerOf(at, unit))) / units.length;
  for (const { source, target, sure } of referenceLines(scene))
    body += tag("path", {
      d: curve(columns, left, middle(slots.source, source), middle(slots.target, target)),
      stroke: style.theme.mark,
      "stroke-width": 1.5,
      "stroke-dasharray": sure ? "none" : "4 3",
      fill: "none",
    });
  const faint = { true: style.theme.muted, false: style.theme.foreground };
  for (const side of ["source", "target"] as const)
    scene[side].labels.forEach((text, unit) => {
      const at = centerOf(slots[side], unit);
      const fill = faint[`${scene[side].special[unit] ?? false}`];
      const place = columns
        ? {
            x: side === "source" ? left - 8 : left + GAP + 8,
            y: at + 4,
            "text-anchor": side === "source" ? "end" : "start",
          }
        : { x: at, y: side === "source" ? 14 : ROW + TALL + 16, "text-anchor": "middle" };
      body += label(text, { ...place, fill });
    });
  return columns
    ? { width: left + GAP + right, height: Math.max(slots.source.total, slots.target.total), body }
    : { width: total, height: TALL + 2 * ROW, body };
}

function curve(columns: boolean, left: number, source: number, target: number): string {
  const bend = (columns ? GAP : TALL) * 0.45;
  const point = (along: number, across: number) =>
    columns ? `${round(left + across)} ${round(along)}` : `${round(along)} ${round(ROW + across)}`;
  const end = columns ? GAP : TALL;
  return `M${point(source, 0)}C${point(source, bend)} ${point(target, end - bend)} ${point(target, end)}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
