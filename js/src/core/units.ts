// Pure functions on attention matrices [target, source]: units, projection, aggregation, top partners.
import { joinPlaces, kindAt, type Place, placeAt } from "./axis";
import type { Aggregate, Axis, AxisKind } from "./contract";
import { type Drop, isDropped, isOutside } from "./dropping";

/** What one side shows: positions, or words with special tokens on their own. */
export interface Units {
  labels: string[];
  /** What stands beside the label: the text of an unknown token, or the unknown token that a word is read as. */
  asides: (string | null)[];
  special: boolean[];
  kinds: AxisKind[];
  /** Place of each unit in the medium; that of a word spans the places of its tokens. */
  places: (Place | null)[];
  /** Unit of each position, -1 where the position is dropped. */
  assign: Int32Array;
  /** Positions of each unit. */
  positions: number[][];
}

/** What becomes of the positions of an axis. */
export interface UnitOptions {
  /** Merge subwords into words. */
  words: boolean;
  /** Leave out special tokens, or punctuation as well. */
  drop: Drop;
  /** Leave out what lies outside a sound: the positions after its end. */
  crop?: boolean;
}

export function makeUnits(axis: Axis, options: UnitOptions): Units {
  const units: Units = {
    labels: [],
    asides: [],
    special: [],
    kinds: [],
    places: [],
    assign: new Int32Array(axis.labels.length).fill(-1),
    positions: [],
  };
  const unitOfWord = new Map<number, number>();
  axis.labels.forEach((label, position) => {
    const special = axis.special[position] ?? false;
    const kind = kindAt(axis, position);
    if (isDropped(axis, position, options.drop) || (options.crop && isOutside(axis, position))) return;
    const word = axis.groups[position] ?? -1;
    const text = axis.texts?.[position] ?? null;
    const merges = options.words && word >= 0;
    let unit = merges ? unitOfWord.get(word) : undefined;
    if (unit === undefined) {
      unit = units.labels.length;
      units.labels.push(merges ? (axis.words[word] ?? label) : label);
      units.asides.push(null);
      units.special.push(special);
      units.kinds.push(kind);
      units.places.push(placeAt(axis, position));
      units.positions.push([]);
      if (merges) unitOfWord.set(word, unit);
    } else {
      units.places[unit] = joinPlaces(units.places[unit] ?? null, placeAt(axis, position));
    }
    if (text !== null) units.asides[unit] = merges ? label : text;
    units.assign[position] = unit;
    units.positions[unit]?.push(position);
  });
  return units;
}

/** One unit of `count` positions: for a few exact rows or columns of one word. */
export function oneUnit(count: number): Units {
  return {
    labels: [""],
    asides: [null],
    special: [false],
    kinds: ["text"],
    places: [null],
    assign: new Int32Array(count),
    positions: [Array.from({ length: count }, (_, i) => i)],
  };
}

/** Some of the units, in the order given. */
export function pickUnits(units: Units, indices: readonly number[]): Units {
  const assign = new Int32Array(units.assign.length).fill(-1);
  indices.forEach((unit, i) => {
    for (const position of units.positions[unit] ?? []) assign[position] = i;
  });
  return {
    labels: indices.map((unit) => units.labels[unit] ?? ""),
    asides: indices.map((unit) => units.asides[unit] ?? null),
    special: indices.map((unit) => units.special[unit] ?? false),
    kinds: indices.map((unit) => units.kinds[unit] ?? "text"),
    places: indices.map((unit) => units.places[unit] ?? null),
    positions: indices.map((unit) => units.positions[unit] ?? []),
    assign,
  };
}

const later = new WeakMap<Units, Units>();

/**
 * The target units of a head whose rows are moved up by one: each has the rows that are one place later. No row reads the
 * last token, so that its unit has none.
 */
export function laterUnits(units: Units): Units {
  const known = later.get(units);
  if (known) return known;
  const unread = unreadUnit(units);
  const assign = new Int32Array(units.assign.length).fill(-1);
  const positions = units.positions.map((own, unit) => (unit === unread ? [] : own.map((row) => row + 1)));
  positions.forEach((rows, unit) => {
    for (const row of rows) assign[row] = unit;
  });
  const made = { ...units, assign, positions };
  later.set(units, made);
  return made;
}

/** The target unit of the last token; -1 where it is dropped. */
export function unreadUnit({ assign }: Units): number {
  return assign[assign.length - 1] ?? -1;
}

/** Whether each position is a unit of its own, and in its place. */
export function isIdentity(units: Units): boolean {
  return units.labels.length === units.assign.length && units.assign[0] !== -1;
}

/**
 * [target, source] positions to [target, source] units: rows are renormalized over the columns that are left, then
 * source pieces are summed and target pieces averaged.
 */
export function project(
  weights: Float32Array,
  target: Units,
  source: Units,
  renormalize: boolean,
): Float32Array {
  if (isIdentity(target) && isIdentity(source) && !renormalize) return weights;
  const positions = source.assign.length;
  const width = source.labels.length;
  const out = new Float32Array(target.labels.length * width);
  for (let t = 0; t < target.assign.length; t++) {
    const row = target.assign[t] ?? -1;
    if (row < 0) continue;
    const start = t * positions;
    let scale = 1 / (target.positions[row]?.length ?? 1);
    if (renormalize) {
      let kept = 0;
      for (let s = 0; s < positions; s++) if ((source.assign[s] ?? -1) >= 0) kept += weights[start + s] ?? 0;
      // A row that attends only to what is dropped has no weight left.
      scale = kept > 0 ? scale / kept : 0;
    }
    for (let s = 0; s < positions; s++) {
      const column = source.assign[s] ?? -1;
      if (column >= 0) {
        const cell = row * width + column;
        out[cell] = (out[cell] ?? 0) + (weights[start + s] ?? 0) * scale;
      }
    }
  }
  return out;
}

/** Adds one head to a running aggregate (sum or maximum); call `finish` after the last. */
export function accumulate(into: Float32Array, weights: Float32Array, how: Aggregate): void {
  for (let i = 0; i < into.length; i++) {
    const value = weights[i] ?? 0;
    const before = into[i] ?? 0;
    into[i] = how === "max" ? Math.max(before, value) : before + value;
  }
}

export function finish(into: Float32Array, count: number, how: Aggregate): Float32Array {
  if (how === "mean" && count > 1) for (let i = 0; i < into.length; i++) into[i] = (into[i] ?? 0) / count;
  return into;
}

export function aggregate(matrices: readonly Float32Array[], how: Aggregate): Float32Array {
  const out = new Float32Array(matrices[0]?.length ?? 0);
  for (const matrix of matrices) accumulate(out, matrix, how);
  return finish(out, matrices.length, how);
}

export function maximum(values: Float32Array): number {
  let top = 0;
  // By index: an iterator over a large layer's weights takes milliseconds.
  for (let i = 0; i < values.length; i++) if ((values[i] as number) > top) top = values[i] as number;
  return top;
}

export function rowOf(matrix: Float32Array, width: number, row: number): Float32Array {
  return matrix.subarray(row * width, (row + 1) * width);
}

export function columnOf(matrix: Float32Array, width: number, column: number): Float32Array {
  const out = new Float32Array(width > 0 ? matrix.length / width : 0);
  for (let row = 0; row < out.length; row++) out[row] = matrix[row * width + column] ?? 0;
  return out;
}

export interface Partner {
  index: number;
  value: number;
}

/** The `count` largest values above zero, largest first, earlier positions first among equals. */
export function topPartners(values: Float32Array, count: number): Partner[] {
  const best: Partner[] = [];
  values.forEach((value, index) => {
    if (!(value > 0)) return;
    const last = best[best.length - 1];
    if (best.length === count && last && value <= last.value) return;
    let place = best.length;
    while (place > 0 && value > (best[place - 1]?.value ?? 0)) place--;
    best.splice(place, 0, { index, value });
    if (best.length > count) best.pop();
  });
  return best;
}
