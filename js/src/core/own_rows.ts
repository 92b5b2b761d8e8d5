// The set of heads that was saved with the model, and the setting "own" of what names the rows: each head of the set
// under its own reading. A head that aligns the token read has its row for a token one place later than one that aligns
// the token written. Its rows are moved up by one, so that all are named by the token written. Python does the same in
// xattn_widget/panel/own_rows.py.
import type { Head, HeadSetInfo, Info, Reading, RowNames } from "./contract";
import { sameHead } from "./picks";
import type { Store } from "./store";

/** The set, if it is about the model of this sentence; null if it is not, or if there is none. */
export function setOf(info: Info, sentence: number): HeadSetInfo | null {
  const { model, layers, heads } = info.sentences[sentence] ?? info;
  const isOf = model === info.model && layers === info.layers && heads === info.heads;
  return (isOf && info.head_set) || null;
}

export function headsOf(set: HeadSetInfo): Head[] {
  // The first of the set is picked last, and leads.
  return set.heads.map(([layer, head]): Head => [layer, head]).reverse();
}

/** Whether picked heads are the set, each under its own reading. */
export function isSet(set: HeadSetInfo | null, heads: readonly Head[], rows: RowNames): boolean {
  return (
    set !== null &&
    set.reading === rows &&
    set.heads.length === heads.length &&
    headsOf(set).every((head) => heads.some((other) => sameHead(other, head)))
  );
}

/** The heads of a sentence whose rows are moved, picked or not. */
export function movedHeads(store: Store, sentence: number): Head[] {
  const set = setOf(store.get("info"), sentence);
  if (store.get("reading") !== "own" || set?.reading !== "own") return [];
  return set.heads.flatMap(([layer, head, reading]): Head[] => (reading === "input" ? [[layer, head]] : []));
}

/** What names the rows of a scene. */
export function rowNamesOf({ moved, reading }: { moved: readonly Head[]; reading: Reading }): RowNames {
  return moved.length > 0 ? "own" : reading;
}

/** The reading that names the rows. */
export function readingOf(rows: RowNames): Reading {
  return rows === "input" ? "input" : "output";
}
