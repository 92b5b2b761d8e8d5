// What stands out in a scene before anyone points: its least read source words and its least certain target words.
import type { Side } from "./contract";
import type { Token } from "./inspect";
import { type Scene, weightsOf } from "./scene";
import { coverageOf, probabilitiesOf } from "./totals";
import { topPartners, type Units } from "./units";

export interface SummaryEntry {
  token: Token;
  label: string;
  /** The word of which it is a piece; null where it is all of it. */
  word: string | null;
  value: number;
  /** The target unit that reads a source unit most; null where none does, and for target units. */
  reader: { label: string; value: number } | null;
}

export interface Summary {
  /** Null where no source unit is text: single frames and patches say little. Empty where nothing is read. */
  leastRead: SummaryEntry[] | null;
  /** Null where no probability is known. */
  leastCertain: SummaryEntry[] | null;
}

/** How many entries a list has at most. */
export const MOST = 3;
const WORDLIKE = /[\p{L}\p{N}]/u;

const known = new WeakMap<Scene, Summary>();

export function summaryOf(scene: Scene): Summary {
  const done = known.get(scene);
  if (done) return done;
  const summary = { leastRead: leastRead(scene), leastCertain: leastCertain(scene) };
  known.set(scene, summary);
  return summary;
}

/** Special tokens are left out, and so are punctuation marks where there is anything else. */
function leastRead(scene: Scene): SummaryEntry[] | null {
  const { source, target } = scene;
  if (!source.kinds.includes("text")) return null;
  const regular = regularUnits(source);
  const wordlike = regular.filter((unit) => WORDLIKE.test(source.labels[unit] ?? ""));
  const coverage = coverageOf(scene);
  if (coverage.every((total) => total === 0)) return [];
  return lowest(wordlike.length > 0 ? wordlike : regular, (unit) => coverage[unit] ?? 0).map((unit) => {
    const [most] = topPartners(weightsOf(scene, "source", unit), 1);
    return {
      token: { side: "source", unit },
      ...namesOf(scene, "source", unit),
      value: coverage[unit] ?? 0,
      reader: most ? { label: target.labels[most.index] ?? "", value: most.value } : null,
    };
  });
}

function leastCertain(scene: Scene): SummaryEntry[] | null {
  const { target } = scene;
  const probabilities = probabilitiesOf(scene);
  if (probabilities.every((value) => value === null)) return null;
  const candidates = regularUnits(target).filter((unit) => (probabilities[unit] ?? null) !== null);
  return lowest(candidates, (unit) => probabilities[unit] ?? 0).map((unit) => ({
    token: { side: "target", unit },
    ...namesOf(scene, "target", unit),
    value: probabilities[unit] ?? 0,
    reader: null,
  }));
}

function namesOf({ reply, spec, source, target }: Scene, side: Side, unit: number) {
  const [units, axis] = side === "source" ? [source, reply.source] : [target, reply.target[spec.reading]];
  const group = axis.groups[units.positions[unit]?.[0] ?? -1] ?? -1;
  const isPiece = !spec.words && group >= 0 && axis.groups.filter((other) => other === group).length > 1;
  return { label: units.labels[unit] ?? "", word: isPiece ? (axis.words[group] ?? null) : null };
}

function regularUnits(units: Units): number[] {
  return units.labels.flatMap((_, unit) =>
    units.kinds[unit] === "text" && units.special[unit] !== true ? [unit] : [],
  );
}

/** The units with the lowest values, in the order of the sentence where these are equal. */
function lowest(units: number[], amountOf: (unit: number) => number): number[] {
  return units.sort((a, b) => amountOf(a) - amountOf(b) || a - b).slice(0, MOST);
}
