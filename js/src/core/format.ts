// Numbers and token labels as the reader sees them.
import type { Reading } from "./contract";

/** A number in [0, 1] in three decimals; a smaller one as 4.7e-05, because 0.000 would say that there is none. */
export function formatProbability(value: number): string {
  if (value === 0 || !(value < 5e-4)) return value.toFixed(3);
  const [digits, exponent] = value.toExponential(1).split("e-");
  return `${digits}e-${exponent?.padStart(2, "0")}`;
}

/** A weight in [0, 1]: two decimals when read from the quantized bytes, which tell no more. */
export function formatWeight(value: number, exact: boolean): string {
  return exact ? formatProbability(value) : value.toFixed(2);
}

/** What the rows of a reading are named by. */
export function rowName(reading: Reading, words = false): string {
  return `${words ? "word" : "token"} ${reading === "output" ? "written" : "read"}`;
}

export function formatScore(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "undefined";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size >= 1e5 || size < 5e-4) return value.toExponential(1).replace("-", "−").replace("e+", "e");
  const text = value.toFixed(size >= 100 ? 0 : size >= 10 ? 2 : 3);
  return text.replace("-", "−");
}

/** Which values of a score are better, in words. */
export function directionText({ direction }: { direction: "higher" | "lower" }): string {
  return `${direction === "higher" ? "Higher" : "Lower"} is better`;
}

export function headName(layer: number, head: number): string {
  return `layer ${layer}, head ${head}`;
}

/** A head's accessible name. It begins with the visible text, which people who control a computer by voice say. */
export function seenName(layer: number, head: number, value: string, words: string): string {
  return `L${layer} H${head} ${value} (${words})`;
}

/** Why a head cannot be shown: a page of limited size lacks it, or its record does not keep its weights. */
export function leftOut([layer, head]: readonly [number, number]): string {
  return `${headName(layer, head)} was left out to save space, like all hatched heads`;
}

const LONGEST_LABEL = 120;
// Overrides of direction would show a token's letters in another order; halves of surrogate pairs and noncharacters
// are not allowed in files.
const CONTROLS = /[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/gu;
const SURROGATES = /\p{Cs}/gu;
const MARKS: Record<string, string> = { "\n": "↵", "\t": "⇥" };
const INVISIBLE = /^[\s\p{Cc}\p{Cf}\p{Zs}\u2800\u3164\u115f\u1160]*$/u;

function codePoints(text: string): string {
  return Array.from(
    text,
    (char) => `U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`,
  )
    .slice(0, 4)
    .join(" ");
}

/** What is drawn for a token: invisible characters as code points, and endless labels cut. */
export function tokenText(label: string): string {
  if (INVISIBLE.test(label)) return label === "" ? "(empty)" : codePoints(label);
  return visibleText(cut(label));
}

/** A text as it is shown: what is invisible or would change the order of letters, as code points. */
export function visibleText(text: string): string {
  return text.replace(CONTROLS, (char) => MARKS[char] ?? `⟨${codePoints(char)}⟩`);
}

/** A text as it is written to files: halves of surrogate pairs, for which UTF-8 has no bytes, as code points. */
export function wellFormed(text: string): string {
  return text.replace(SURROGATES, (char) => `⟨${codePoints(char)}⟩`);
}

function cut(label: string): string {
  if (label.length <= LONGEST_LABEL) return label;
  // Cut by code points, so that no surrogate pair is split.
  return `${Array.from(label.slice(0, LONGEST_LABEL * 2))
    .slice(0, LONGEST_LABEL)
    .join("")}…`;
}

/** The text of the tooltip: longer than the label, but not ten kilobytes. */
export function tokenTitle(label: string): string {
  return label.length > 1000 ? `${label.slice(0, 1000)}… (${label.length} characters)` : label;
}

/** A difference of weights, always with its sign. */
export function formatDifference(value: number): string {
  const text = Math.abs(value).toFixed(2);
  return text === "0.00" ? text : `${value < 0 ? "−" : "+"}${text}`;
}

/** The name of the set of heads that was saved with the model. */
export function setName(count: number, aggregate: string): string {
  return `${aggregate} of the ${count} heads that align best`;
}

/** The heads of a pick in a few words. */
export function headsName(
  heads: readonly (readonly [number, number])[],
  aggregate: string,
  whole: number,
): string {
  const [first] = heads;
  if (!first) return "no head";
  if (heads.length === 1) return headName(first[0], first[1]);
  const oneLayer = heads.every(([layer]) => layer === first[0]);
  if (oneLayer && heads.length === whole) return `layer ${first[0]}, ${aggregate} of all heads`;
  return `${aggregate} of ${heads.length} heads${oneLayer ? ` of layer ${first[0]}` : ""}`;
}
