// Draws what moves over the sound and the rows: the cursor, the selection, the current word and the attention of the
// row that is pointed at.
import { LABEL_PITCH, shownLabels } from "../core/heat/layout";
import { parseColor } from "../core/scales";
import { type CellPicture, type Curve, type Surface, straight } from "../core/surface";
import type { SoundContent } from "./content";
import { type Band, type SoundLayout, xOf } from "./layout";
import { goldColor, paintLabel } from "./paint";
import { columnsOf, type Density, drawPicture, peaksOf } from "./resample";
import type { ShownWord } from "./rows";
import { paintStrips } from "./strips";
import type { Span } from "./timeline";

export interface SoundMarks {
  /** The row that is pointed at, or whose word is spoken; -1 for none. */
  row: number;
  /** The word that is spoken at the cursor; -1 for none. */
  current: number;
  /** Where the cursor is; null before anything was played or pointed out. */
  time: number | null;
  selection: Span | null;
}

const VEIL = 0.72;

export function paintHeadMarks(
  surface: Surface,
  content: SoundContent,
  layout: SoundLayout,
  density: Density,
  marks: SoundMarks,
): void {
  const { plot, wave, words, height } = layout;
  const { theme, timing } = content;
  const whole = { x: plot.x, y: wave.y, width: plot.width, height: height - wave.y };
  if (marks.row >= 0) paintVeil(surface, content, layout, marks.row);
  surface.inside(whole, { x: 0, y: 0 }, () => {
    paintSelection(surface, content, layout, marks.selection, wave.y, words.y + words.height - wave.y);
  });
  paintRow(surface, content, layout, density, marks.row);
  surface.inside(whole, { x: 0, y: 0 }, () => {
    const spoken = timing.words[marks.current];
    if (spoken) paintBox(surface, content, layout, spoken, theme.accent, 2);
  });
  paintCursor(surface, content, layout, marks.time, layout.ruler.y + layout.ruler.height - 6, height);
}

/** Where a row looks: a curve over the sound, its word, and the strips of its heads; -1 for none. */
export function paintRow(
  surface: Surface,
  content: SoundContent,
  layout: SoundLayout,
  density: Density,
  row: number,
): void {
  const { plot, wave, height } = layout;
  const pointed = content.timing.words[content.timing.wordOfRow[row] ?? -1];
  if (row >= 0) paintCurve(surface, content, layout, row);
  paintStrips(surface, content, layout, row, density);
  surface.inside({ x: plot.x, y: wave.y, width: plot.width, height: height - wave.y }, { x: 0, y: 0 }, () => {
    if (pointed) paintPointed(surface, content, layout, pointed);
  });
}

export function paintRowMarks(
  surface: Surface,
  content: SoundContent,
  layout: SoundLayout,
  marks: SoundMarks,
  window: { from: number; top: number; height: number },
): void {
  const { plot, row } = layout;
  const { theme, timing, units } = content;
  const yOf = (index: number) => window.top + (index - window.from) * row;
  const box = { x: plot.x, y: 0, width: plot.width, height: window.height };
  surface.inside(box, { x: 0, y: 0 }, () => {
    paintSelection(surface, content, layout, marks.selection, 0, window.height);
  });
  const spokenRow = timing.words[marks.current]?.row ?? -1;
  for (const index of new Set([spokenRow, marks.row])) {
    if (index < 0 || index >= units.labels.length) continue;
    const y = yOf(index);
    surface.frame(
      { x: plot.x - 0.5, y: y - 0.5, width: plot.width + 1, height: Math.max(3, row) + 1 },
      { color: index === marks.row ? theme.foreground : theme.accent, width: index === marks.row ? 1.5 : 2 },
    );
    const middle = y + row / 2;
    // Labels that it would touch give way.
    const last = Math.min(units.labels.length, window.from + Math.ceil(window.height / row) + 1);
    for (const near of shownLabels(units.labels.length, row, window.from, last)) {
      const center = yOf(near) + row / 2;
      if (Math.abs(center - middle) < LABEL_PITCH)
        surface.fill({ x: 0, y: center - 8, width: plot.x - 2, height: 16 }, theme.paper);
    }
    surface.fill({ x: 0, y: middle - 8, width: plot.x - 2, height: 16 }, theme.paper);
    paintLabel(surface, content, layout, index, Math.max(8, Math.min(window.height - 8, middle)), true);
    const word = timing.words[timing.wordOfRow[index] ?? -1];
    if (word)
      surface.curves({ color: theme.foreground, width: 1.5 }, (curve) => {
        for (const time of [word.start, word.end]) vertical(curve, content, layout, time, y - 3, y + row + 3);
      });
  }
  paintCursor(surface, content, layout, marks.time, 0, window.height);
}

/** A row's attention over the shown part of the axis, by columns of pixels. */
interface RowAttention {
  /** Relative to the largest weight of the whole row, so that it stays the same while the axis is moved. */
  shares: Float32Array;
  /** The color of the background, as opaque as there is little attention. */
  veil: CellPicture;
}

/** The cursor draws the same row in every frame. */
const attentions = new WeakMap<SoundContent, Map<number, RowAttention | null>>();

function attentionOf(content: SoundContent, row: number, pixels: number): RowAttention | null {
  const known = attentions.get(content) ?? new Map<number, RowAttention | null>();
  attentions.set(content, known);
  let attention = known.get(row);
  if (attention === undefined) {
    attention = computeAttention(content, row, pixels);
    known.set(row, attention);
  }
  return attention;
}

function computeAttention(content: SoundContent, row: number, pixels: number): RowAttention | null {
  const { heard, places, span, theme, linear } = content;
  const shares = new Float32Array(pixels);
  peaksOf(heard.values, row * heard.columns, columnsOf(places, span, pixels), shares);
  let top = 0;
  for (let i = row * heard.columns; i < (row + 1) * heard.columns; i++)
    top = Math.max(top, heard.values[i] ?? 0);
  if (top <= 0) return null;
  const [red, green, blue] = theme.background;
  const bytes = new Uint8ClampedArray(4 * pixels);
  for (let x = 0; x < pixels; x++) {
    const share = (shares[x] as number) / top;
    shares[x] = share;
    bytes[4 * x] = red;
    bytes[4 * x + 1] = green;
    bytes[4 * x + 2] = blue;
    bytes[4 * x + 3] = 255 * VEIL * (1 - (linear ? share : Math.sqrt(share)));
  }
  return { shares, veil: { pixels: new Uint32Array(bytes.buffer), rows: 1, columns: pixels } };
}

/** The sound is veiled where the row has little weight. */
function paintVeil(surface: Surface, content: SoundContent, layout: SoundLayout, row: number): void {
  const { plot } = layout;
  const band = soundBand(layout);
  const attention = attentionOf(content, row, plot.width);
  if (attention) drawPicture(surface, attention.veil, { x: plot.x, y: band.y }, plot.width, band.height);
}

/** A curve shows how much weight the row has. */
function paintCurve(surface: Surface, content: SoundContent, layout: SoundLayout, row: number): void {
  const { plot } = layout;
  const band = soundBand(layout);
  const attention = attentionOf(content, row, plot.width);
  if (!attention) return;
  const bottom = band.y + band.height - 1;
  surface.curves({ color: content.theme.accent, width: 1.5 }, (curve) => {
    let before = bottom;
    attention.shares.forEach((share, x) => {
      const y = bottom - share * (band.height - 6);
      straight(curve, plot.x + x - 0.5, before, plot.x + x + 0.5, y);
      before = y;
    });
  });
}

/** What the model reads: a picture of it, or else the sound itself. */
function soundBand({ picture, wave }: SoundLayout): Band {
  return picture.height > 0 ? picture : wave;
}

/** The word that is pointed at: its box, its boundaries down to the sound, and those of the reference. */
function paintPointed(surface: Surface, content: SoundContent, layout: SoundLayout, word: ShownWord): void {
  const { theme } = content;
  const { wave, words, gold } = layout;
  paintBox(surface, content, layout, word, theme.foreground, 1.5);
  surface.curves({ color: theme.foreground, width: 1.5 }, (curve) => {
    for (const time of [word.start, word.end]) vertical(curve, content, layout, time, wave.y, words.y);
  });
  if (!word.gold || gold.height === 0) return;
  const { start, end } = word.gold;
  surface.curves({ color: goldColor(theme), width: 1.5, dash: [4, 3] }, (curve) => {
    for (const time of [start, end]) vertical(curve, content, layout, time, wave.y, gold.y + gold.height);
  });
}

function paintBox(
  surface: Surface,
  { span }: SoundContent,
  layout: SoundLayout,
  { start, end }: Span,
  color: string,
  width: number,
): void {
  const { y, height } = layout.words;
  const [x1, x2] = [xOf(layout, span, start), xOf(layout, span, end)];
  surface.frame(
    { x: x1 + 0.5, y: y + 0.5, width: Math.max(2, x2 - x1 - 1), height: height - 1 },
    { color, width },
  );
}

function paintSelection(
  surface: Surface,
  { span, theme }: SoundContent,
  layout: SoundLayout,
  selection: Span | null,
  y: number,
  height: number,
): void {
  if (!selection) return;
  const [x1, x2] = [xOf(layout, span, selection.start), xOf(layout, span, selection.end)];
  surface.fill({ x: x1, y, width: x2 - x1, height }, withOpacity(theme.accent, 0.16));
  for (const x of [x1, x2]) surface.fill({ x: x - 0.5, y, width: 1, height }, theme.accent);
}

function paintCursor(
  surface: Surface,
  { span, theme }: SoundContent,
  layout: SoundLayout,
  time: number | null,
  top: number,
  bottom: number,
): void {
  if (time === null || time < span.start || time > span.end) return;
  const x = xOf(layout, span, time);
  surface.fill({ x: x - 1.5, y: top, width: 3, height: bottom - top }, theme.paper);
  surface.fill({ x: x - 0.75, y: top, width: 1.5, height: bottom - top }, theme.foreground);
}

function vertical(
  curve: Curve,
  { span }: SoundContent,
  layout: SoundLayout,
  time: number,
  top: number,
  bottom: number,
): void {
  const x = xOf(layout, span, time);
  straight(curve, x, top, x, bottom);
}

/** A color of the palette with an opacity. */
function withOpacity(color: string, opacity: number): string {
  return `rgb(${(parseColor(color) ?? [0, 0, 0]).join(" ")} / ${opacity})`;
}
