// Which rows a score is computed on while tokens are dropped: all of them, or those that are shown.
import type { Dropping, Reading, ScoreInfo } from "./contract";
import { dropOf, droppedName } from "./dropping";
import type { Store } from "./store";

/** The rows that a reading shows without what is dropped, as a request for scores names them. */
export interface ShownRows {
  as_shown: Reading;
  special: Dropping;
}

/** The rows that a score is computed on, where they are those that are shown; null for all rows. */
export function shownRows(store: Store, sentence: number, name: string): ShownRows | null {
  const special = dropOf(store.get("special"));
  const reading = store.get("reading");
  if (special === "nothing" || !store.get("as_shown") || !canScoreShown(store, sentence, name)) return null;
  return reading === "own" ? null : { as_shown: reading, special };
}

/** Whether something is dropped, and the score of the rows as shown is available. */
export function canScoreShown(store: Store, sentence: number, name: string): boolean {
  const drop = dropOf(store.get("special"));
  const reading = store.get("reading");
  // A score is of rows under one reading.
  if (drop === "nothing" || reading === "own" || !infoOf(store, name)?.follows_view) return false;
  const onPage = store.get("info").sentences[sentence]?.scored_readings;
  return onPage === undefined || (onPage[drop]?.includes(reading) ?? false);
}

/** What the view drops and the score counts, in words; "" where it counts nothing of it. */
export function countedName(store: Store, sentence: number, name: string): string {
  const drop = dropOf(store.get("special"));
  const info = infoOf(store, name);
  if (drop === "nothing" || !info?.special || shownRows(store, sentence, name) !== null) return "";
  if (info.special === "keep") return droppedName(drop);
  return drop === "drop_punctuation" && !info.punctuation ? "punctuation" : "";
}

function infoOf(store: Store, name: string): ScoreInfo | undefined {
  return store.get("score_list").find((score) => score.name === name);
}
