// What a word reads of a picture: its weights by patch, its strongest place, and how much lies outside.
import type { Scene } from "../scene";
import { rowOf } from "../units";
import type { Patches, Rect } from "./patches";
import { regionsOf } from "./regions";

/** Where the most weight of a row is together. */
export interface Strongest {
  box: Rect;
  /** The weight on all patches inside the box. */
  weight: number;
}

/** A part of the source without a place, such as a class token. */
export interface Outside {
  name: string;
  weight: number;
}

export interface Row {
  /** The weight of each patch. */
  values: Float32Array;
  /** The largest of them. */
  top: number;
  /** The weight in the picture, and in all. */
  inside: number;
  total: number;
  /** The largest first. */
  outside: Outside[];
}

/** The weights of a target unit over all source units; without one, their mean over the words. */
export function sourceRow(scene: Scene, unit: number | null): Float32Array {
  const width = scene.source.labels.length;
  return unit === null ? meanRow(scene) : rowOf(scene.aggregate, width, unit);
}

/** The target units of the mean: those that are not special, or else all. */
export function countedUnits({ target }: Scene): number[] {
  const all = target.labels.map((_, unit) => unit);
  const words = all.filter((unit) => !target.special[unit]);
  return words.length > 0 ? words : all;
}

const means = new WeakMap<Scene, Float32Array>();

function meanRow(scene: Scene): Float32Array {
  const known = means.get(scene);
  if (known) return known;
  const width = scene.source.labels.length;
  const mean = new Float32Array(width);
  const units = countedUnits(scene);
  for (const unit of units)
    for (let i = 0; i < width; i++)
      mean[i] = (mean[i] as number) + (scene.aggregate[unit * width + i] as number) / units.length;
  means.set(scene, mean);
  return mean;
}

export function readRow(scene: Scene, patches: Patches, unit: number | null): Row {
  const row = sourceRow(scene, unit);
  const values = new Float32Array(patches.units.length);
  let [top, inside, total] = [0, 0, 0];
  patches.units.forEach((source, patch) => {
    const value = row[source] ?? 0;
    values[patch] = value;
    inside += value;
    if (value > top) top = value;
  });
  const groups = new Map<string, number>();
  for (let source = 0; source < row.length; source++) {
    const weight = row[source] as number;
    total += weight;
    if ((patches.ofUnit[source] ?? -1) >= 0) continue;
    const name = outsideName(scene, source);
    groups.set(name, (groups.get(name) ?? 0) + weight);
  }
  const outside = [...groups].map(([name, weight]) => ({ name, weight }));
  return { values, top, inside, total, outside: outside.sort((a, b) => b.weight - a.weight) };
}

/** What a position without a place is called, without its number: "[register 3]" is one of the "registers". */
export function outsideName({ source }: Pick<Scene, "source">, unit: number): string {
  const label = source.labels[unit] ?? "";
  const [, name, number] = /^\[([A-Za-z ]{1,24}?)( \d+)?\]$/.exec(label) ?? [];
  if (name && source.kinds[unit] === "image") return number ? `${name}s` : name;
  if (source.kinds[unit] === "image") return "other parts of the image";
  return source.special[unit] ? "special tokens" : "text";
}

/** The part with the most weight among the fewest patches that hold half of the weight in the picture. */
export function strongestOf(row: Row, patches: Patches, half: readonly number[]): Strongest | null {
  const { regions } = regionsOf(half.map((patch) => patches.rects[patch] as Rect));
  let [best, most] = [null as Rect | null, 0];
  for (const { members, box } of regions) {
    const weight = members.reduce((sum, i) => sum + (row.values[half[i] ?? 0] ?? 0), 0);
    if (weight > most) [best, most] = [box, weight];
  }
  return best && { box: best, weight: weightIn(row, patches, best) };
}

function weightIn({ values }: Row, { rects }: Patches, box: Rect): number {
  let sum = 0;
  rects.forEach(({ left, top, right, bottom }, patch) => {
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    if (x >= box.left && x <= box.right && y >= box.top && y <= box.bottom) sum += values[patch] ?? 0;
  });
  return sum;
}

/** The weight of each target unit on some patches together. */
export function readersOf(scene: Scene, patches: Patches, chosen: readonly number[]): Float32Array {
  const width = scene.source.labels.length;
  const sources = chosen.map((patch) => patches.units[patch] ?? 0);
  const readers = new Float32Array(scene.target.labels.length);
  for (let unit = 0; unit < readers.length; unit++) {
    let sum = 0;
    for (let i = 0; i < sources.length; i++)
      sum += scene.aggregate[unit * width + (sources[i] as number)] as number;
    readers[unit] = sum;
  }
  return readers;
}
