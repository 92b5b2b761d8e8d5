// Under which reading heads align better, by the guess that Python gathers over the sentences shown.
import type { Head, Info, Reading, RowNames } from "./contract";
import { readingOf } from "./own_rows";
import { isMoved } from "./scene";

/** A head that links fewer of the words one to one than this aligns under neither reading. */
const LEAST = 0.5;
/** How much more the other reading must link: this share, and more where few words were seen. */
const MARGIN = 0.04;
const DOUBT = 0.3;

/**
 * The other reading, if the heads align clearly better under it on average; null if they do not, or if nobody knows.
 * The margin is measured on the demo model: with it, 20 sentences name the one head that needs the other reading.
 */
export function betterReading(
  guess: Info["alignment_guess"],
  heads: readonly Head[],
  rows: RowNames,
  moved: Head[] = [],
): Reading | null {
  if (!guess || heads.length === 0 || !(guess.words > 0)) return null;
  // Heads of a saved set are under their own reading already.
  if (heads.some((head) => isMoved({ moved }, head))) return null;
  const reading = readingOf(rows);
  const other = reading === "output" ? "input" : "output";
  const mean = (values: (number | null)[][]) =>
    heads.reduce((sum, [layer, head]) => sum + (values[layer]?.[head] ?? Number.NaN), 0) / heads.length;
  const [now, then] = [mean(guess[reading]), mean(guess[other])];
  return then >= LEAST && then - now >= MARGIN + DOUBT / Math.sqrt(guess.words) ? other : null;
}
