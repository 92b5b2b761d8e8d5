// What the view says in words: which weights it shows, where the times of the words come from, and what is known of a
// row.
import type { SoundWeights, WordTimesReply } from "../core/contract";
import { formatProbability, tokenText } from "../core/format";
import { errorsOf, type Timing } from "./rows";
import type { Weights } from "./source";
import { errorText, spanText } from "./timeline";

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

const CHOSEN: Record<WordTimesReply["chosen"], string> = {
  calibrated: "the calibrated heads",
  model: "the model's alignment heads",
  guessed: "guessed heads",
  picked: "the picked heads",
};

/** Where the times of the words come from, and how far they are from the reference. */
export function timesText({ heads, lag, chosen }: WordTimesReply, { words }: Timing): string {
  const named =
    heads.length <= NAMED ? heads.map(([layer, head]) => `L${layer} H${head}`).join(", ") : `${heads.length}`;
  const moved = lag === 0 ? "" : `, lag of ${Math.round(1000 * lag)} ms removed`;
  const errors = errorsOf(words);
  const checked = errors
    ? `. Against the reference: mean error ${Math.round(1000 * errors.mean)} ms over ${errors.count} words (${errorText(errors.lag)} on average)`
    : "";
  return `Word times by ${CHOSEN[chosen]} (${named})${moved}${checked}`;
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
  if (outside >= 0.005) parts.push(`${Math.round(100 * outside)}% of its weight is outside the sound`);
  if (word?.gold) {
    const [start, end] = [errorText(word.start - word.gold.start), errorText(word.end - word.gold.end)];
    parts.push(`reference ${spanText(word.gold, offset)} (start ${start}, end ${end})`);
  }
  return parts.join(" · ");
}
