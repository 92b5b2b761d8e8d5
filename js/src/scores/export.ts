// The scores as files: the scatter as a drawing, and every score of every head as numbers.
import { type Context, outlinesOf } from "../core/context";
import type { Head, ScoreInfo, ScoresReply } from "../core/contract";
import { type Cells, csv } from "../core/csv";
import { type Attributes, type Drawing, type Style, tag, text } from "../core/markup";
import { sameHead } from "../core/picks";
import type { Saved } from "../core/view";
import type { ScoresView } from "./controller";
import { type Mark, type Scatter, SIZE, scatterMarks } from "./marks";

export function saveScores({ grids, axes }: ScoresView, { store, colors }: Context): Saved {
  const { replies, failures } = grids.value;
  return {
    title: [`${axes.value[0]} of every head`],
    drawing(style) {
      const [x, y] = axes.value.map((name) => replies.get(name));
      if (!x || !y) throw new Error("the scores are not loaded yet");
      const picked = store.get("heads");
      const outlines = outlinesOf(picked.length, colors.value, store.get("combined"));
      return drawScatter(scatterMarks(x, y, axes.value), picked, outlines, style);
    },
    numbers(format) {
      const scores = store.get("score_list");
      if (scores.some(({ name }) => !replies.has(name) && !failures.has(name)))
        throw new Error("some scores are still being computed; save again when they are ready");
      return format === "json"
        ? scoresJson(scores, replies, failures)
        : scoresCsv(scores, replies, format === "spreadsheet");
    },
  };
}

function drawScatter(
  { marks, dots }: Scatter,
  picked: readonly Head[],
  outlines: readonly string[],
  { theme }: Style,
): Drawing {
  const looks: Record<Mark["kind"], Attributes> = {
    line: { stroke: theme.muted, "stroke-opacity": 0.25 },
    tick: { fill: theme.muted, "font-size": 11 },
    dot: { fill: theme.accent, "fill-opacity": 0.45, stroke: theme.accent },
  };
  const write = ({ kind, tag: name, attrs, text: content }: Mark, look: Attributes = {}) => {
    const all = { ...attrs, ...looks[kind], ...look };
    return content === undefined ? tag(name, all) : text(name, all, content);
  };
  const ringed = { "fill-opacity": 1, stroke: theme.foreground, "stroke-width": 2 };
  const placed = dots.map((dot) => ({ dot, index: picked.findIndex((head) => sameHead(head, dot.head)) }));
  // Picked dots lie above the others, as on the screen.
  placed.sort((a, b) => Number(a.index >= 0) - Number(b.index >= 0));
  const body = [
    ...marks.map((mark) => write(mark)),
    ...placed.map(({ dot, index }) =>
      write(dot, index >= 0 ? { ...ringed, fill: outlines[index] ?? "" } : {}),
    ),
  ];
  return { ...SIZE, body: body.join("") };
}

/** One line per head and one column for each score that could be computed, named by its signature. */
export function scoresCsv(
  scores: readonly ScoreInfo[],
  replies: ReadonlyMap<string, ScoresReply>,
  spreadsheet = false,
): string {
  const grids = scores.flatMap(({ name }) => replies.get(name) ?? []);
  const first = grids[0]?.values ?? [];
  const rows: Cells[] = [["layer", "head", ...grids.map(({ signature }) => signature)]];
  first.forEach((row, layer) => {
    row.forEach((_, head) => {
      rows.push([layer, head, ...grids.map((grid) => grid.values[layer]?.[head] ?? null)]);
    });
  });
  return csv(rows, spreadsheet);
}

export function scoresJson(
  scores: readonly ScoreInfo[],
  replies: ReadonlyMap<string, ScoresReply>,
  failures: ReadonlyMap<string, string> = new Map(),
): string {
  const entries = scores.map(({ name, direction, signature }) => {
    const grid = replies.get(name);
    return grid
      ? { name, direction, signature: grid.signature, values: grid.values }
      : { name, direction, signature, error: failures.get(name) ?? "not computed" };
  });
  return JSON.stringify({ scores: entries }, null, 1);
}
