// What the setting "special" removes from the panel, for every part of the page. Python says the same in
// xattn_widget/panel/dropping.py.
import { kindAt } from "./axis";
import type { Axis, Dropping, Length, Special } from "./contract";

/** What is removed: nothing, special tokens, or punctuation as well. */
export type Drop = "nothing" | Dropping;

const NAMES: Record<Dropping, string> = {
  drop: "special tokens",
  drop_punctuation: "special tokens and punctuation",
};

export function dropOf(special: Special): Drop {
  return special === "drop" || special === "drop_punctuation" ? special : "nothing";
}

/** What is removed, in words. */
export function droppedName(drop: Dropping): string {
  return NAMES[drop];
}

export function isDropped(axis: Axis, position: number, drop: Drop): boolean {
  if (drop === "nothing") return false;
  if (axis.special[position]) return true;
  return drop === "drop_punctuation" && (axis.punctuation?.[position] ?? false);
}

/** Whether a position lies after the end of a sound. */
export function isOutside(axis: Axis, position: number): boolean {
  return (axis.special[position] ?? false) && kindAt(axis, position) === "audio";
}

/** How many units of a side are removed. */
export function droppedCount(length: Length, words: boolean, drop: Drop): number {
  if (drop === "nothing") return 0;
  const marks = words ? length.punctuation_words : length.punctuation;
  return length.special + (drop === "drop_punctuation" ? marks : 0);
}

/** Columns that are removed, and would be shown otherwise; null where there are none. */
export function droppedColumns(axis: Axis, drop: Drop): number[] | null {
  const columns = axis.labels.flatMap((_, position) =>
    isDropped(axis, position, drop) && !isOutside(axis, position) ? [position] : [],
  );
  return columns.length > 0 ? columns : null;
}

/** That rows were renormalized without what is removed, and how much weight it held. */
export function droppingNote(drop: Dropping, share: number | null): string {
  const held = share === null ? "" : ` (${percent(share)} of the weight)`;
  return `${NAMES[drop]}${held} dropped, rows renormalized`;
}

function percent(share: number): string {
  return share > 0 && share < 0.005 ? "less than 1%" : `${Math.round(100 * share)}%`;
}
