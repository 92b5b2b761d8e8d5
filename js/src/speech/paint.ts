// Draws the sound and the rows of the matrix, on the screen and into files. What moves is drawn over it (marks.ts).
import { tokenText } from "../core/format";
import { LABEL_PITCH, shownLabels } from "../core/heat/layout";
import { headColors } from "../core/scales";
import { type Point, type Surface, straight } from "../core/surface";
import type { Theme } from "../core/theme";
import type { SoundContent } from "./content";
import { hasOutside, type SoundLayout, xOf } from "./layout";
import { grayRamp, waveOf } from "./pictures";
import { columnsOf, type Density, drawPicture, frameColumns, grayPicture, weightsPicture } from "./resample";
import type { ShownWord } from "./rows";
import { paintStripNames } from "./strips";
import { type Span, ticksOf, timeText } from "./timeline";

const TICK_APART = 64;
const HATCH = 7;
/** Words that are on average closer to each other have no boundaries over the sound. */
const LEAST_APART = 8;
/** The narrowest word that has a frame, in pixels. */
const NARROWEST = 4;
const LABEL = 12;

export function paintHead(
  surface: Surface,
  content: SoundContent,
  layout: SoundLayout,
  density: Density,
): void {
  const { span, theme, seconds } = content;
  const { plot, wave, picture } = layout;
  const pixels = Math.max(1, Math.round(plot.width * density));
  paintRuler(surface, content, layout);
  const box = { x: plot.x, y: wave.y, width: plot.width, height: wave.height };
  if (content.amplitudes) {
    const values = waveOf(content.amplitudes, seconds, span, plot.width);
    const middle = wave.y + wave.height / 2;
    values.forEach((value, x) => {
      const height = Math.max(1, value * (wave.height - 2));
      surface.fill({ x: plot.x + x, y: middle - height / 2, width: 1, height }, theme.muted);
    });
  } else surface.frame(box, { color: theme.muted, width: 1, opacity: 0.3 });
  if (content.gray && picture.height > 0) {
    const { bins, frames, values } = content.gray;
    const columns = frameColumns(frames, seconds, span, pixels);
    const drawn = grayPicture(values, bins, frames, columns, grayRamp(theme));
    drawPicture(surface, drawn, { x: plot.x, y: picture.y }, plot.width, picture.height);
  }
  if (picture.height > 0)
    surface.frame(
      { x: plot.x + 0.5, y: picture.y + 0.5, width: plot.width - 1, height: picture.height - 1 },
      { color: theme.muted, width: 1, opacity: 0.35 },
    );
  paintNames(surface, content, layout);
  paintBoundaries(surface, content, layout);
  paintWords(surface, content, layout);
  if (layout.gold.height > 0) paintGold(surface, content, layout);
  paintStripNames(surface, content, layout);
  const end = picture.height > 0 ? picture.y + picture.height : wave.y + wave.height;
  paintOutsideZone(surface, content, layout, wave.y, end - wave.y);
}

function paintRuler(surface: Surface, { span, offset, theme }: SoundContent, layout: SoundLayout): void {
  const { ruler, plot } = layout;
  const shown = { start: span.start + offset, end: span.end + offset };
  const { step, times } = ticksOf(shown, plot.width, TICK_APART);
  for (const time of times) {
    const x = xOf(layout, span, time - offset);
    surface.fill({ x, y: ruler.y + ruler.height - 4, width: 1, height: 4 }, theme.muted);
    const text = timeText(time, step);
    const half = surface.measure(text, { size: 11 }) / 2;
    if (x - half < 0 || x + half > layout.width) continue;
    surface.text(text, { x, y: ruler.y + 7 }, { color: theme.muted, size: 11, align: "center" });
  }
}

/** What the parts are, in the margin. */
function paintNames(surface: Surface, { theme, gray }: SoundContent, layout: SoundLayout): void {
  const write = (text: string, y: number) =>
    surface.text(text, { x: layout.plot.x - 8, y }, { color: theme.muted, size: 11, align: "right" });
  write("sound", layout.wave.y + layout.wave.height / 2);
  if (layout.picture.height > 0) {
    write(gray ? "what the" : "", layout.picture.y + layout.picture.height / 2 - 7);
    write(gray ? "model reads" : "", layout.picture.y + layout.picture.height / 2 + 7);
  }
  write("words", layout.words.y + layout.words.height / 2);
  if (hasOutside(layout))
    surface.text(
      "outside",
      { x: layout.width - 2, y: (layout.strips.height > 0 ? layout.strips.y : layout.height) - 9 },
      { color: theme.muted, size: 11, align: "right" },
    );
  if (layout.gold.height > 0) write("reference", layout.gold.y + layout.gold.height / 2);
}

/** The boundaries of words over the sound, where they are far enough from each other. */
function paintBoundaries(surface: Surface, content: SoundContent, layout: SoundLayout): void {
  const { span, timing, theme } = content;
  const words = timing.words.filter(({ start, end }) => end > span.start && start < span.end);
  if (layout.plot.width < LEAST_APART * words.length) return;
  const bottom = layout.words.y;
  const inside = clip(layout);
  const color = { color: theme.accent, width: 1, opacity: 0.28 };
  surface.inside(inside, { x: 0, y: 0 }, () =>
    surface.curves(color, (curve) => {
      for (const time of new Set(words.flatMap(({ start, end }) => [start, end]))) {
        if (time < span.start || time > span.end) continue;
        const x = Math.round(xOf(layout, span, time)) + 0.5;
        straight(curve, x, layout.wave.y, x, bottom);
      }
    }),
  );
}

function paintWords(surface: Surface, content: SoundContent, layout: SoundLayout): void {
  const { span, timing, theme } = content;
  surface.inside(clip(layout), { x: 0, y: 0 }, () => {
    for (const word of timing.words) paintWord(surface, word, span, layout, theme);
  });
}

function paintWord(surface: Surface, word: ShownWord, span: Span, layout: SoundLayout, theme: Theme): void {
  if (word.end < span.start || word.start > span.end) return;
  const { y, height } = layout.words;
  const [x, end] = [xOf(layout, span, word.start), xOf(layout, span, word.end)];
  // The frames of very short words would run into one another.
  if (end - x < NARROWEST)
    surface.curves({ color: theme.accent, width: 1, opacity: 0.3 }, (curve) =>
      straight(curve, x + 0.5, y, x + 0.5, y + height),
    );
  else
    surface.frame(
      { x: x + 0.5, y: y + 0.5, width: Math.max(1, end - x - 1), height: height - 1 },
      { color: theme.accent, width: 1, opacity: 0.6 },
    );
  writeInside(surface, word.text, x, end, y + height / 2, layout, theme.foreground);
}

/** A text in the middle of the visible part of a box, where it fits. */
function writeInside(
  surface: Surface,
  text: string,
  start: number,
  end: number,
  y: number,
  { plot }: SoundLayout,
  color: string,
): void {
  const [left, right] = [Math.max(plot.x, start), Math.min(plot.x + plot.width, end)];
  const label = tokenText(text);
  if (surface.measure(label, { size: LABEL }) + 4 > right - left) return;
  surface.text(label, { x: (left + right) / 2, y }, { color, size: LABEL, align: "center" });
}

function paintGold(surface: Surface, { span, timing, theme }: SoundContent, layout: SoundLayout): void {
  const { y, height } = layout.gold;
  const color = goldColor(theme);
  surface.inside(clip(layout), { x: 0, y: 0 }, () => {
    for (const { gold } of timing.words) {
      if (!gold || gold.end < span.start || gold.start > span.end) continue;
      const [x, end] = [xOf(layout, span, gold.start), xOf(layout, span, gold.end)];
      surface.frame(
        { x: x + 0.5, y: y + 0.5, width: Math.max(1, end - x - 1), height: height - 1 },
        { color, width: 1 },
      );
      writeInside(surface, gold.text, x, end, y + height / 2, layout, theme.foreground);
    }
  });
}

/** The color of a reference: neither that of weights nor that of the path. */
export function goldColor(theme: Theme): string {
  return headColors(theme.dark)[2] ?? theme.mark;
}

/** The part of the axis after the end of the sound. */
function paintOutsideZone(
  surface: Surface,
  { span, seconds, theme }: SoundContent,
  layout: SoundLayout,
  y: number,
  height: number,
): void {
  if (span.end <= seconds) return;
  const { plot } = layout;
  const x = Math.max(plot.x, xOf(layout, span, seconds));
  const width = plot.x + plot.width - x;
  if (width <= 0) return;
  surface.inside({ x, y, width, height }, { x: 0, y: 0 }, () =>
    surface.curves({ color: theme.muted, width: 1, opacity: 0.4 }, (curve) => {
      // Upward to the right, each line cut at the edges of the zone: files do not cut anything.
      for (let offset = HATCH - height; offset < width; offset += HATCH) {
        const [left, right] = [Math.max(0, offset), Math.min(width, offset + height)];
        straight(curve, x + left, y + height - (left - offset), x + right, y + height - (right - offset));
      }
    }),
  );
  surface.fill({ x, y, width: 1, height }, theme.muted);
  const text = "after the sound";
  if (height > 30 && surface.measure(text, { size: 11 }) + 12 < width)
    surface.text(text, { x: x + width / 2, y: y + 10 }, { color: theme.muted, size: 11, align: "center" });
}

/** The rows from `from` to before `to`, the first one at `top`. */
export function paintRows(
  surface: Surface,
  content: SoundContent,
  layout: SoundLayout,
  density: Density,
  from: number,
  to: number,
  top: number,
): void {
  const { heard, span, theme, units, places } = content;
  const { plot, row } = layout;
  const count = to - from;
  if (count <= 0) return;
  const columns = columnsOf(places, span, Math.max(1, Math.round(plot.width * density)));
  const part = heard.values.subarray(from * heard.columns, to * heard.columns);
  const picture = weightsPicture(
    part,
    count,
    heard.columns,
    columns,
    heard.top,
    content.linear,
    theme.ramp.pixels,
  );
  const height = count * row;
  drawPicture(surface, picture, { x: plot.x, y: top }, plot.width, height);
  surface.frame(
    { x: plot.x + 0.5, y: top + 0.5, width: plot.width - 1, height: height - 1 },
    { color: theme.muted, width: 1, opacity: 0.35 },
  );
  paintPath(surface, content, layout, from, to, top);
  paintOutsideZone(surface, content, layout, top, height);
  for (const index of shownLabels(units.labels.length, row, from, to))
    paintLabel(surface, content, layout, index, top + (index - from + 0.5) * row, false);
  if (hasOutside(layout))
    for (let index = from; index < to; index++)
      paintOutside(surface, content, layout, index, top + (index - from) * row);
}

export function paintLabel(
  surface: Surface,
  { units, theme, fade }: SoundContent,
  { plot }: SoundLayout,
  index: number,
  y: number,
  bold: boolean,
): void {
  const special = units.special[index] ?? false;
  surface.text(
    shorten(surface, tokenText(units.labels[index] ?? ""), plot.x - 12, bold),
    { x: plot.x - 6, y },
    {
      color: bold ? theme.foreground : theme.muted,
      bold,
      size: LABEL,
      align: "right",
      opacity: special && fade && !bold ? 0.65 : 1,
    },
  );
}

/** The share of a row outside the sound, as a bar and, where there is room, a number. */
function paintOutside(
  surface: Surface,
  { heard, theme }: SoundContent,
  { plot, row, width }: SoundLayout,
  index: number,
  y: number,
): void {
  const share = heard.outside[index] ?? 0;
  const x = plot.x + plot.width + 6;
  const length = width - x - 2;
  if (row >= LABEL_PITCH - 2) {
    surface.text(
      `${Math.round(100 * share)}%`,
      { x: x + length, y: y + row / 2 },
      { color: theme.muted, size: 11, align: "right" },
    );
    return;
  }
  surface.fill({ x, y: y + row * 0.2, width: Math.max(0.5, share * length), height: row * 0.6 }, theme.muted);
}

/** The path from row to row, and the words along it. */
function paintPath(
  surface: Surface,
  { timing, span, theme }: SoundContent,
  layout: SoundLayout,
  from: number,
  to: number,
  top: number,
): void {
  const { plot, row } = layout;
  const box = { x: plot.x, y: top, width: plot.width, height: (to - from) * row };
  const yOf = (index: number) => top + (index - from + 0.5) * row;
  surface.inside(box, { x: 0, y: 0 }, () =>
    surface.curves({ color: theme.mark, width: row > 8 ? 1.5 : 1, opacity: 0.85 }, (curve) => {
      let before: Point | null = null;
      for (const { row: index, start, end } of timing.path) {
        const y = yOf(index);
        const [x1, x2] = [xOf(layout, span, start), xOf(layout, span, end)];
        if (before) straight(curve, before.x, before.y, x1, y);
        straight(curve, x1, y, x2, y);
        before = { x: x2, y };
      }
    }),
  );
}

function clip({ plot, height }: SoundLayout) {
  return { x: plot.x, y: 0, width: plot.width, height };
}

function shorten(surface: Surface, label: string, length: number, bold: boolean): string {
  if (surface.measure(label, { size: LABEL, bold }) <= length) return label;
  const points = Array.from(label);
  let keep = points.length - 1;
  while (keep > 1 && surface.measure(`${points.slice(0, keep).join("")}…`, { size: LABEL, bold }) > length)
    keep--;
  return `${points.slice(0, keep).join("")}…`;
}
