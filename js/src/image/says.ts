// What the view says in words: where a word was read from, and which words read a part of the picture.

import { droppedName } from "../core/dropping";
import { tokenText } from "../core/format";
import type { Rect } from "../core/picture/patches";
import type { Row, Strongest } from "../core/picture/rows";
import type { SceneSpec } from "../core/scene";
import { READER, readingOf } from "../core/totals";
import { topPartners } from "../core/units";
import type { Agreement } from "./reference";

/** So many readers of a part of the picture are named. */
const NAMED = 5;
/** Parts outside the picture that hold less are not named. */
const LEAST = 0.005;

/** A box in pixels of the original. */
export function boxText({ left, top, right, bottom }: Rect): string {
  const [x1, y1, x2, y2] = [left, top, right, bottom].map(Math.round);
  return `${x1}, ${y1} to ${x2}, ${y2}`;
}

export function percent(share: number): string {
  return share > 0 && share < 0.005 ? "less than 1%" : `${Math.round(100 * share)}%`;
}

export interface Said {
  row: Row;
  strongest: Strongest | null;
  /** Its share on what is dropped, before the rows were renormalized; null where nothing is. */
  dropped: number | null;
  drop: SceneSpec["drop"];
}

/** Where a word was read from; `name` is how the sentence begins, such as a word. */
export function wordText(name: string, { row, strongest, dropped, drop }: Said): string {
  const parts: string[] = [];
  if (strongest && row.inside > 0) {
    const weight = percent(shareOf(row, strongest.weight));
    parts.push(`${name} was read ${weight} from the box ${boxText(strongest.box)} px`);
    const elsewhere = shareOf(row, row.inside - strongest.weight);
    if (elsewhere >= LEAST) parts.push(`${percent(elsewhere)} from elsewhere in the picture`);
  } else parts.push(`${name} was read from no part of the picture`);
  parts.push(...outsideText(row));
  if (dropped !== null && drop !== "nothing" && dropped >= LEAST)
    parts.push(`${percent(dropped)} of its weight was on ${droppedName(drop)}, dropped`);
  return parts.join(" · ");
}

/** How much of the weight of several words is in the picture: their mean has no place of its own. */
export function meanText(name: string, row: Row): string {
  return [`${name} was read ${percent(shareOf(row, row.inside))} from the picture`, ...outsideText(row)].join(
    " · ",
  );
}

/** How well the boxes of a word agree with true ones. */
export function agreementText({ text, iou }: Agreement): string {
  const box = text === "" ? "its reference box" : `the reference box of ${wordName(text)}`;
  return `IoU with ${box} ${iou.toFixed(2)}`;
}

function outsideText(row: Row): string[] {
  const named = row.outside.filter(({ weight }) => shareOf(row, weight) >= LEAST);
  const outside = shareOf(row, row.total - row.inside);
  if (outside < LEAST || named.length === 0) return [];
  const each = named.map(({ name, weight }) =>
    named.length === 1 ? name : `${name} ${percent(shareOf(row, weight))}`,
  );
  return [`${percent(outside)} from outside it (${each.join(", ")})`];
}

function shareOf({ total }: Row, weight: number): number {
  return total > 0 ? weight / total : 0;
}

/** A word as it begins a sentence, isolated from the direction of the text around it. */
export function wordName(label: string): string {
  return `\u2068${tokenText(label)}\u2069`;
}

/** Which words read a part of the picture: `readers` has the weight of each of them on it. */
export function readersText(
  name: string,
  readers: Float32Array,
  labels: readonly string[],
  unit: string,
): string {
  const top = topPartners(readers, NAMED).filter(({ value }) => value >= READER);
  if (top.length === 0) return `${name} was read by no ${unit} with ${READER} or more`;
  const named = top.map(({ index, value }) => `${wordName(labels[index] ?? "")} ${value.toFixed(2)}`);
  const { total, readers: count } = readingOf(readers);
  const more = count > top.length ? `, the ${top.length} strongest of ${count} with ${READER} or more` : "";
  return `${name} was read by ${named.join(", ")}${more} · ${total.toFixed(2)} in total`;
}
