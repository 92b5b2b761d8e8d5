// Which heads time the words: the sets that are known, and the one that is chosen.
import type { Head, SoundInfo, WordTimesBy } from "../core/contract";

/** The sets that a record has, with their names; the first is the best that is known. */
export function timingSets(info: SoundInfo | null): [WordTimesBy, string][] {
  const sets: [WordTimesBy, string][] = [];
  if (info?.marked.calibrated.length) sets.push(["calibrated", "calibrated heads"]);
  if (info?.marked.model.length) sets.push(["model", "model's heads"]);
  if (sets.length === 0) sets.push(["known", "guessed heads"]);
  return [...sets, ["picked", "picked heads"]];
}

/** The set that is meant: the best known one where the record lacks the chosen one. */
export function chosenSet(by: WordTimesBy, info: SoundInfo | null): WordTimesBy {
  const sets = timingSets(info).map(([name]) => name);
  return sets.includes(by) ? by : (sets[0] ?? "known");
}

/** The heads to request times by; none for the best that are known. */
export function timingHeads(by: WordTimesBy, info: SoundInfo | null, picked: readonly Head[]): Head[] {
  const chosen = chosenSet(by, info);
  if (chosen === "picked") return [...picked];
  const isBest = timingSets(info)[0]?.[0] === chosen;
  return isBest || chosen === "known" ? [] : [...(info?.marked[chosen] ?? [])];
}
