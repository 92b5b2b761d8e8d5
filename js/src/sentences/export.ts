// The cards as files: the first of them as a drawing, and a table of all sentences with their scores.
import type { Context } from "../core/context";
import { type Cells, csv } from "../core/csv";
import { formatScore } from "../core/format";
import { specOf } from "../core/loader";
import { type Drawing, label, type Markup, type Style, tag } from "../core/markup";
import { firstPick } from "../core/picks";
import { jointName } from "../core/saved";
import { buildScene, longerSide } from "../core/scene";
import { listSentences } from "../core/sentences";
import { svgSurface } from "../core/surface";
import type { Saved } from "../core/view";
import { ORDER_NAMES, type SentencesView } from "./controller";
import { boxHeight, fitting, paintSentence } from "./drawing";
import { orderSentences, type Scored, scoreSentence } from "./order";

/** The most cards in a drawing. */
export const DRAWN = 60;
const COLUMNS = 4;
/** `drawing` is how far below a card's top its drawing begins, after three lines of text. */
const CARD = { width: 240, gap: 24, text: 16, drawing: 54 };

export function saveSentences(view: SentencesView, context: Context): Saved {
  const { store } = context;
  const total = view.ordered.value.length;
  const drawn = Math.min(DRAWN, total);
  const picked = jointName(store, specOf(store, firstPick(store)));
  const part = drawn < total ? `the first ${drawn} of ${total} sentences` : `${total} sentences`;
  return {
    title: [picked, store.get("score_name"), `${part}, ${ORDER_NAMES[store.get("sentence_order")]}`],
    drawing: async (style) => drawCards(view, context, await scoreAll(view, context), style),
    async numbers(format) {
      if (format === "json") return null;
      return sentencesCsv(view, context, await scoreAll(view, context), format === "spreadsheet");
    },
  };
}

/** All sentences in their order, with the scores that have not been read yet. */
async function scoreAll(
  { ordered, spec }: SentencesView,
  { survey, store, signal }: Context,
): Promise<Scored[]> {
  const order = store.get("sentence_order");
  const scored: Scored[] = [];
  for (const entry of ordered.value.map((one) => one.entry).sort((a, b) => a - b)) {
    const outcome = await survey.read(entry);
    signal.throwIfAborted();
    scored.push(scoreSentence(entry, spec(entry).heads, outcome));
  }
  return orderSentences(scored, order);
}

async function drawCards(
  view: SentencesView,
  { data, store, colors, signal }: Context,
  scored: readonly Scored[],
  style: Style,
): Promise<Drawing> {
  const { sentences } = store.get("info");
  const { places } = listSentences(sentences);
  const shown = scored.slice(0, DRAWN);
  let body = "";
  let top = 0;
  let tallest = 0;
  // One after another: long sentences of a large model have more weights than should be in memory at once.
  for (const [index, { entry, value, problem }] of shown.entries()) {
    const scene = await buildScene(data, view.spec(entry), signal, () => {}).catch(() => null);
    signal.throwIfAborted();
    const { name = "", source = "", target = "" } = sentences[entry] ?? {};
    const number = `${(places[entry] ?? 0) + 1}${name ? ` ${name}` : ""}`;
    const texts: [string, string][] = [
      [`${number} · ${value === null ? problem || "no score" : formatScore(value)}`, style.theme.muted],
      [source, style.theme.foreground],
      [target, style.theme.muted],
    ];
    const surface = svgSurface(style);
    const lines = texts.map(([text, fill], i) =>
      label(fitting(surface, text, CARD.width), { x: 0, y: 11 + i * CARD.text, fill }),
    );
    const box = { width: CARD.width, height: scene ? boxHeight(longerSide(scene)) : 0 };
    if (scene)
      paintSentence(surface, scene, box, style.theme, colors.value[0] ?? "", store.get("special") === "fade");
    const drawing = tag("g", { transform: `translate(0 ${CARD.drawing})` }, surface.markup() as Markup);
    const column = index % COLUMNS;
    if (column === 0) {
      top += index > 0 ? tallest + CARD.gap : 0;
      tallest = 0;
    }
    tallest = Math.max(tallest, CARD.drawing + box.height);
    body += tag(
      "g",
      { transform: `translate(${column * (CARD.width + CARD.gap)} ${top})` },
      ...lines,
      drawing,
    );
  }
  const columns = Math.min(COLUMNS, shown.length);
  return { width: columns * (CARD.width + CARD.gap) - CARD.gap, height: top + tallest, body };
}

/** One line for each sentence, with the score of the picked heads or the reason why there is none. */
export function sentencesCsv(
  { spec }: Pick<SentencesView, "spec">,
  { store }: Pick<Context, "store">,
  scored: readonly Scored[],
  spreadsheet: boolean,
): string {
  const { sentences } = store.get("info");
  const score = store.get("score_name");
  const rows: Cells[] = [["sentence", "name", "source", "target", "heads", "score", "value", "problem"]];
  for (const { entry, value, problem } of scored) {
    const { name = "", source = "", target = "" } = sentences[entry] ?? {};
    const heads = spec(entry)
      .heads.map(([layer, head]) => `L${layer} H${head}`)
      .join(" ");
    rows.push([entry, name, source, target, heads, score, value, problem]);
  }
  return csv(rows, spreadsheet);
}
