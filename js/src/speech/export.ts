// The view of sound as a file: a picture of the part that is shown, or the table of all its words.
import type { Context } from "../core/context";
import { type Cells, csv } from "../core/csv";
import type { Drawing, Style } from "../core/markup";
import { sceneTitle } from "../core/saved";
import { svgSurface } from "../core/surface";
import type { Saved } from "../core/view";
import type { SpeechMounted } from "./controller";
import { READABLE_ROW, soundLayout } from "./layout";
import { paintRow, paintRowMarks } from "./marks";
import { paintHead, paintRows } from "./paint";
import { clipTiming, type ShownWord } from "./rows";
import { timesSource, timesText, WEIGHTS_TITLE } from "./says";
import { spanText } from "./timeline";

const WIDTH = 1000;
const DENSITY = 2;
/** The height of the line that says what the word times come from. */
const NOTE = 24;

/** `view` is the view that `mountSpeech` returned. */
export function saveSpeech(view: SpeechMounted, context: Context): Saved {
  const { source, axis } = view;
  const weights = source.weights.value;
  if (!weights) throw new Error("the weights are not loaded yet");
  const times = source.times.value;
  const span = axis.isZoomed.value ? [spanText(axis.shown.value, axis.offset.value)] : [];
  const timed = times ? timesText(times, source.timing.value, source.refused.value) : "";
  return {
    title: [...sceneTitle(context, weights.scene), ...span, WEIGHTS_TITLE[weights.kind]],
    drawing(style: Style): Drawing {
      const shown = { ...view.content(weights), theme: style.theme };
      const pinned = view.pinned();
      const content = {
        ...shown,
        timing: clipTiming(shown.timing, shown.span),
        // Without a word they would be empty.
        strips: pinned < 0 ? null : shown.strips,
      };
      const rows = content.units.labels.length;
      const layout = soundLayout({
        width: WIDTH,
        rows,
        hasPicture: content.gray !== null,
        hasGold: times?.gold != null,
        strips: content.strips?.heads.length ?? 0,
        hasOutside: content.heard.outside.some((share) => share > 0.005),
        labels: content.units.labels.reduce((most, label) => Math.max(most, style.measure(label)), 70),
        enlarged: rows * READABLE_ROW < 2000,
      });
      const surface = svgSurface(style);
      paintHead(surface, content, layout, DENSITY);
      if (pinned >= 0) paintRow(surface, content, layout, DENSITY, pinned);
      paintRows(surface, content, layout, DENSITY, 0, rows, layout.height);
      const height = rows * layout.row;
      const marks = { row: pinned, current: -1, time: null, selection: null };
      const window = { from: 0, top: 0, height };
      surface.inside({ x: 0, y: layout.height, width: WIDTH, height }, { x: 0, y: layout.height }, () =>
        paintRowMarks(surface, content, layout, marks, window),
      );
      const bottom = layout.height + height;
      surface.text(
        timed,
        { x: layout.plot.x, y: bottom + NOTE / 2 },
        { color: content.theme.muted, size: 11 },
      );
      return { width: WIDTH, height: bottom + (timed ? NOTE : 0), body: surface.markup() };
    },
    numbers: (format) =>
      format === "json"
        ? null
        : wordTable(
            source.timing.value.words,
            weights.heard.outside,
            axis.offset.value,
            times ? timesSource(times) : "",
            format === "spreadsheet",
          ),
  };
}

/**
 * One line for each word; times are in seconds of the recording, in which the sound begins at `offset`. `timedBy` says
 * what they come from.
 */
export function wordTable(
  words: readonly ShownWord[],
  outside: Float32Array,
  offset: number,
  timedBy: string,
  spreadsheet: boolean,
): string {
  const hasGold = words.some(({ gold }) => gold);
  const rows: Cells[] = [
    [
      "word",
      "start",
      "end",
      "confidence",
      "outside",
      "timed_by",
      ...(hasGold ? ["reference_start", "reference_end"] : []),
    ],
  ];
  for (const { text, start, end, confidence, row, gold } of words)
    rows.push([
      text,
      start + offset,
      end + offset,
      confidence ?? "",
      row >= 0 ? (outside[row] ?? 0) : "",
      timedBy,
      ...(hasGold ? [gold ? gold.start + offset : "", gold ? gold.end + offset : ""] : []),
    ]);
  return csv(rows, spreadsheet);
}
