// A heat map as a saved drawing: all of it, with every label.
import type { Drawing, Style } from "../markup";
import { svgSurface } from "../surface";
import type { HeatLayout } from "./layout";
import { type HeatContent, paintHeat } from "./paint";

const LONGEST_LABEL = 140;
/** Up to this many units on a side, cells are large enough for their numbers. */
const FEW = 40;

export function drawHeat(content: Omit<HeatContent, "pin" | "fade" | "theme">, style: Style): Drawing {
  const layout = layoutOf(content, style);
  const { margin, width, height } = layout;
  const { theme } = style;
  const surface = svgSurface(style);
  const view = { scrollLeft: 0, scrollTop: 0, width, height };
  paintHeat(surface, { ...content, pin: null, fade: false, theme }, layout, view);
  surface.frame(
    { x: margin.left, y: margin.top, width: width - margin.left, height: height - margin.top },
    { color: theme.muted, width: 0.5 },
  );
  return { width, height, body: surface.markup() };
}

function layoutOf({ source, target }: Pick<HeatContent, "source" | "target">, style: Style): HeatLayout {
  const [rows, columns] = [target.labels.length, source.labels.length];
  const cell = Math.max(rows, columns) <= FEW ? { width: 34, height: 20 } : { width: 16, height: 16 };
  const longest = (labels: readonly string[]) =>
    labels.reduce((most, text) => Math.max(most, Math.min(LONGEST_LABEL, style.measure(text))), 0) + 10;
  const margin = { left: longest(target.labels), top: longest(source.labels) };
  return {
    rows,
    columns,
    cell,
    margin,
    width: margin.left + columns * cell.width,
    height: margin.top + rows * cell.height,
  };
}
