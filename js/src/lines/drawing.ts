// The lines view as a saved drawing: every token as text, and every line that is kept.
import type { Layout } from "../core/contract";
import { tokenText } from "../core/format";
import type { Drawing, Style } from "../core/markup";
import { referenceLinks } from "../core/reference";
import type { Scene } from "../core/scene";
import { type Surface, svgSurface } from "../core/surface";
import { rowCuts } from "./cuts";
import { centerOf, stretchedSlots, uniformSlots } from "./geometry";
import { gutterOf, marksOf, marksText, paintMarks } from "./marks";
import { type LineStage, paintLines, paintReference } from "./paint";
import { collectLines, type Filter, filterFor, filterText, MAX_LINES } from "./selection";

export interface LinesContent {
  scene: Scene;
  layout: Layout;
  filter: Filter;
  /** Whether lines of special tokens are faint. */
  fade: boolean;
  /** One color for each set of lines. */
  colors: readonly string[];
  /** Whether the heads of each set are muted. */
  muted: readonly boolean[];
}

const ROW = 22;
const GAP = 320;
const TALL = 220;
/** Below the tokens, what is drawn in words. */
const CAPTION = { height: 20, size: 10 };
const PADDING = 14;
const LONGEST_LABEL = 180;

export function drawLines(
  { scene, layout, filter, fade, colors, muted }: LinesContent,
  style: Style,
): Drawing {
  const { source, target, sets } = scene;
  const columns = layout === "columns";
  const widths = (labels: readonly string[]) =>
    labels.map((text) => Math.min(LONGEST_LABEL, style.measure(tokenText(text))) + PADDING);
  const wide = { source: widths(source.labels), target: widths(target.labels) };
  const sum = (sizes: readonly number[]) => sizes.reduce((a, b) => a + b, 0);
  const most = (sizes: readonly number[]) => sizes.reduce((a, b) => Math.max(a, b), 0);
  const total = Math.max(sum(wide.source), sum(wide.target));
  const slots = columns
    ? { source: uniformSlots(source.labels.length, ROW), target: uniformSlots(target.labels.length, ROW) }
    : { source: stretchedSlots(wide.source, total), target: stretchedSlots(wide.target, total) };
  const length = Math.max(slots.source.total, slots.target.total);
  const size = columns ? { width: GAP, height: length } : { width: length, height: TALL };
  const marks = marksOf(scene);
  const stage: LineStage = { layout, ...slots, scroll: 0, gutter: gutterOf(marks), ...size };
  const origin = columns ? { x: most(wide.source), y: 0 } : { x: 0, y: ROW };

  const surface = svgSurface(style);
  const kept = filterFor(scene, filter);
  const cuts = sets.map((matrix) => rowCuts(matrix, source.labels.length, kept));
  const lines = collectLines(sets, source.labels.length, cuts, MAX_LINES);
  const whole = columns
    ? { width: most(wide.source) + GAP + most(wide.target), height: length }
    : { width: total, height: TALL + 2 * ROW };
  surface.inside({ ...origin, ...size }, origin, () => {
    paintLines(
      surface,
      lines,
      stage,
      colors,
      fade ? { source: source.special, target: target.special } : null,
      muted,
    );
    paintReference(surface, referenceLinks(scene), stage, style.theme.mark);
    paintMarks(surface, marks, stage, style.theme);
    paintTokens(surface, scene, stage, style);
  });
  const captions = [filterText(scene, filter, lines).text, marksText(scene, marks)];
  captions.forEach((caption, i) => {
    const at = { x: 0, y: whole.height + (i + 0.75) * CAPTION.height };
    surface.text(caption, at, { color: style.theme.muted, size: CAPTION.size });
  });
  const text = most(captions.map((caption) => surface.measure(caption, { size: CAPTION.size })));
  return {
    width: Math.max(whole.width, text),
    height: whole.height + (captions.length + 0.5) * CAPTION.height,
    body: surface.markup(),
  };
}

/** The tokens beside the lines, which are elements on the screen. */
function paintTokens(surface: Surface, scene: Scene, stage: LineStage, { theme }: Style): void {
  const columns = stage.layout === "columns";
  for (const side of ["source", "target"] as const) {
    const first = side === "source";
    scene[side].labels.forEach((label, unit) => {
      const along = centerOf(stage[side], unit);
      const at = columns
        ? { x: first ? -8 : GAP + 8, y: along }
        : { x: along, y: first ? -ROW / 2 : TALL + ROW / 2 };
      surface.text(tokenText(label), at, {
        color: scene[side].special[unit] ? theme.muted : theme.foreground,
        align: columns ? (first ? "right" : "left") : "center",
      });
    });
  }
}
