// What the view says in words: which weights it shows, where the times of the words come from, and what is known of a
// row.
import type { Head, SoundWeights, WordTimesReply } from "../core/contract";
import { formatProbability, tokenText } from "../core/format";
import { errorsOf, type Timing } from "./rows";
import type { Weights } from "./source";
import { errorText, spanText } from "./timeline";
import { stripCount } from "./weights";

const WEIGHTS: Record<SoundWeights, string> = {
  cropped: "weights inside the sound, each row divided by its sum",
  raw: "weights as captured, also after the end of the sound",
  zscored: "weights inside the sound, z-scored over the rows",
  filtered: "weights inside the sound, z-scored over the rows, median of seven positions",
};

/** The same in two words, for the title of a file. */
export const WEIGHTS_TITLE: Record<SoundWeights, string> = {
  cropped: "cropped weights",
  raw: "raw weights",
  zscored: "z-scored weights",
  filtered: "z-scored weights, median-filtered",
};

/** Up to so many heads are named. */
const NAMED = 6;

/** Which weights are shown. */
export function weightsText({ kind }: Weights): string {
  return `Shown: ${WEIGHTS[kind]}`;
}

/** How strips are drawn, and how many are left out; "" without strips. */
export function stripsNote(heads: readonly Head[], combined: boolean): string {
  const count = stripCount(heads, combined);
  if (count === 0) return "";
  const some = count < heads.length ? `, of the first ${count} of ${heads.length} heads` : "";
  return `Strips: one scale for all heads${some}`;
}

const CHOSEN: Record<WordTimesReply["chosen"], string> = {
  calibrated: "the calibrated heads",
  model: "the model's alignment heads",
  guessed: "guessed heads",
  picked: "the picked heads",
};

/** What the times come from, such as "the calibrated heads (L3 H2, L2 H1), lag of 40 ms removed". */
export function timesSource({ heads, lag, chosen }: WordTimesReply): string {
  const named =
    heads.length <= NAMED ? heads.map(([layer, head]) => `L${layer} H${head}`).join(", ") : `${heads.length}`;
  const moved = lag === 0 ? "" : `, lag of ${Math.round(1000 * lag)} ms removed`;
  return `${CHOSEN[chosen]} (${named})${moved}`;
}

/** Where the times of the words come from, and how far they are from the reference. */
export function timesText(times: WordTimesReply, { words }: Timing, refused: string): string {
  const errors = errorsOf(words);
  const checked = errors
    ? `. Against the reference: mean error ${Math.round(1000 * errors.mean)} ms over ${errors.count} words (${errorText(errors.lag)} on average)`
    : "";
  const instead = refused ? `The chosen heads have no word times here: ${refused}. ` : "";
  return `${instead}Word times by ${timesSource(times)}${checked}`;
}

/** What is known of a row; "" for none. `offset` is where the sound begins in the recording. */
export function rowText(row: number, { scene, heard }: Weights, timing: Timing, offset: number): string {
  const label = scene.target.labels[row];
  if (label === undefined) return "";
  const word = timing.words[timing.wordOfRow[row] ?? -1];
  const parts = [`\u2068${tokenText(label)}\u2069`];
  if (word) parts.push(spanText(word, offset));
  if (word && word.confidence !== null) parts.push(`confidence ${formatProbability(word.confidence)}`);
  const outside = heard.outside[row] ?? 0;
  if (outside >= 0.005) parts.push(`${Math.round(100 * outside)}% outside the sound`);
  if (word?.gold) {
    const [start, end] = [errorText(word.start - word.gold.start), errorText(word.end - word.gold.end)];
    parts.push(`reference ${spanText(word.gold, offset)} (start ${start}, end ${end})`);
  }
  return parts.join(" · ");
}
