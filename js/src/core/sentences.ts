// The sentences of the list. Entries of one group are the targets of one sentence: hypotheses, edits, muted readings.
import type { Length, SentenceInfo } from "./contract";
import { type Drop, droppedCount } from "./dropping";

export interface SentenceList {
  /** The entries of each sentence, as their indices in the list. */
  targets: readonly (readonly number[])[];
  /** For each entry, the number of its sentence. */
  places: readonly number[];
}

const lists = new WeakMap<readonly SentenceInfo[], SentenceList>();

/** The same object for the same list of entries. */
export function listSentences(entries: readonly SentenceInfo[]): SentenceList {
  const known = lists.get(entries);
  if (known) return known;
  const targets: number[][] = [];
  const placeOfGroup = new Map<number, number>();
  const places = entries.map(({ group }, index) => {
    // An entry without a group is a sentence of its own.
    const place = (group === undefined ? undefined : placeOfGroup.get(group)) ?? targets.length;
    if (group !== undefined) placeOfGroup.set(group, place);
    targets[place] ??= [];
    targets[place].push(index);
    return place;
  });
  const list = { targets, places };
  lists.set(entries, list);
  return list;
}

/** The first entry of each sentence: it stands for the sentence where each counts once. */
export function firstEntries(entries: readonly SentenceInfo[]): number[] {
  return listSentences(entries).targets.flatMap(([first]) => (first === undefined ? [] : [first]));
}

/** The same text for the entries of one model: those whose heads are the same heads. */
export function modelKey({ model, layers, heads }: Pick<SentenceInfo, "model" | "layers" | "heads">): string {
  return `${layers} ${heads} ${model}`;
}

/** How many units a side shows. */
export function unitCount(length: Length, { words, drop }: { words: boolean; drop: Drop }): number {
  return (words ? length.words : length.positions) - droppedCount(length, words, drop);
}
