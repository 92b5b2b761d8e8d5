// Which rows a score is computed on while special tokens are dropped: all of them, or those that are shown.
import type { Reading, ScoreInfo } from "./contract";
import type { Store } from "./store";

/** The reading whose rows a score is computed on, without special tokens; null for all rows. */
export function shownRows(store: Store, sentence: number, name: string): Reading | null {
  return store.get("as_shown") && canScoreShown(store, sentence, name) ? store.get("reading") : null;
}

/** Whether special tokens are dropped, and the score of the rows as shown is available. */
export function canScoreShown(store: Store, sentence: number, name: string): boolean {
  if (store.get("special") !== "drop" || !infoOf(store, name)?.follows_view) return false;
  const onPage = store.get("info").sentences[sentence]?.scored_readings;
  return onPage === undefined || onPage.includes(store.get("reading"));
}

/** Whether the score counts special tokens that the view drops. */
export function countsDropped(store: Store, sentence: number, name: string): boolean {
  if (store.get("special") !== "drop" || infoOf(store, name)?.special !== "keep") return false;
  return shownRows(store, sentence, name) === null;
}

function infoOf(store: Store, name: string): ScoreInfo | undefined {
  return store.get("score_list").find((score) => score.name === name);
}
