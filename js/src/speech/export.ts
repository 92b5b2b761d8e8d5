// The view of sound as a file: a picture of the whole sound, or the table of its words.
import type { Context } from "../core/context";
import { type Cells, csv } from "../core/csv";
import type { Drawing, Style } from "../core/markup";
import { sceneTitle } from "../core/saved";
import { svgSurface } from "../core/surface";
import type { Saved } from "../core/view";
import { contentOf } from "./content";
import type { SpeechMounted } from "./controller";
import { READABLE_ROW, soundLayout } from "./layout";
import { paintHead, paintRows } from "./paint";
import type { ShownWord } from "./rows";
import { weightsText } from "./says";
import { secondsOf } from "./source";

const WIDTH = 1000;

/** `view` is the view that `mountSpeech` returned. */
export function saveSpeech(view: SpeechMounted, context: Context): Saved {
  const { source } = view;
  const weights = source.weights.value;
  if (!weights) throw new Error("the weights are not loaded yet");
  return {
    title: [...sceneTitle(context, weights.scene), weightsText(weights)],
    drawing(style: Style): Drawing {
      const last = weights.places[weights.places.length - 1]?.end ?? 0;
      const end = Math.max(secondsOf(weights.scene, source.info.value), last) || 1;
      const fade = context.store.get("special") === "fade";
      const content = contentOf(source, weights, { start: 0, end }, fade, style.theme);
      const rows = content.units.labels.length;
      const layout = soundLayout({
        width: WIDTH,
        rows,
        hasPicture: content.gray !== null,
        hasGold: source.times.value?.gold != null,
        hasOutside: content.heard.outside.some((share) => share > 0.005),
        labels: content.units.labels.reduce((most, label) => Math.max(most, style.measure(label)), 70),
        enlarged: rows * READABLE_ROW < 2000,
      });
      const surface = svgSurface(style);
      paintHead(surface, content, layout, 2);
      paintRows(surface, content, layout, 2, 0, rows, layout.height);
      return { width: WIDTH, height: layout.height + rows * layout.row, body: surface.markup() };
    },
    numbers: (format) =>
      format === "json"
        ? null
        : wordTable(
            source.timing.value.words,
            weights.heard.outside,
            source.info.value?.offset ?? 0,
            format === "spreadsheet",
          ),
  };
}

/** One line for each word; times are in seconds of the recording, in which the sound begins at `offset`. */
export function wordTable(
  words: readonly ShownWord[],
  outside: Float32Array,
  offset: number,
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
      ...(hasGold ? [gold ? gold.start + offset : "", gold ? gold.end + offset : ""] : []),
    ]);
  return csv(rows, spreadsheet);
}
