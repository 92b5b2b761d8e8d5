// Which lines are drawn: those that the setting keeps, at most so many, side by side where they coincide.
import type { Keep, Side } from "../core/contract";
import { isLong, type Scene, unitName } from "../core/scene";
import { lineWidth } from "./geometry";

/** Lines in draw order, weakest first; `found` counts those above the threshold before the cap. */
export interface Lines {
  set: Uint8Array;
  target: Uint16Array;
  source: Uint16Array;
  weight: Float32Array;
  /** How far each line lies beside the middle of its slots, in pixels: lines of several sets that coincide lie side by
   * side. */
  lane: Float32Array;
  found: number;
}

/** The most lines to draw: on the screen, more would blur together and take too long. */
export const MAX_LINES = 4000;

/** The most pixels that lines side by side take up: a little less than the smallest slot. */
export const WIDEST_BUNDLE = 20;

export interface Filter {
  keep: Keep;
  threshold: number;
  top_k: number;
  mass: number;
}

/** What the setting means for this scene: "auto" keeps one line for each row of a long sentence. */
export function filterFor(scene: Pick<Scene, "source" | "target">, filter: Filter): Filter {
  if (filter.keep !== "auto") return filter;
  return isLong(scene) ? { ...filter, keep: "top", top_k: 1 } : { ...filter, keep: "threshold" };
}

/** What is kept of the lines of an inspected token: it shows more than the strongest line of each row. */
export function closeFilter(filter: Filter): Filter {
  return filter.keep === "auto" ? { ...filter, keep: "threshold" } : filter;
}

/** Which lines are drawn, in words, and what a reader can do about it on the screen. */
export function filterText(scene: Scene, filter: Filter, lines: Lines): { text: string; advice: string } {
  const { keep, threshold, top_k, mass } = filterFor(scene, filter);
  const drawn = lines.weight.length;
  const number = (count: number) => count.toLocaleString("en");
  if (lines.found > drawn)
    return {
      text: `The ${number(drawn)} strongest of ${number(lines.found)} lines are drawn.`,
      advice: "Keep fewer, or point at a token to see all of its lines.",
    };
  const owner = `${unitName(scene)}${scene.sets.length > 1 ? " and head" : ""}`;
  if (keep === "threshold") {
    if (drawn > 0)
      return { text: threshold > 0 ? `Lines of at least ${digits(threshold)}.` : "All lines.", advice: "" };
    return { text: `No weight reaches ${digits(threshold)}.`, advice: "Lower the threshold to see lines." };
  }
  if (drawn === 0) return { text: "No weight is above zero, so no lines are drawn.", advice: "" };
  if (keep === "mass") {
    const share = `${Math.round(mass * 100)} %`;
    return {
      text: `The strongest lines of each ${owner} that together carry ${share} of its weight.`,
      advice: "",
    };
  }
  const text =
    top_k === 1 ? `One line per ${owner}: the strongest.` : `The ${top_k} strongest lines of each ${owner}.`;
  return { text, advice: filter.keep === "auto" ? "Show lines changes this." : "" };
}

function digits(threshold: number): string {
  return String(Number(threshold.toFixed(4)));
}

/**
 * The strongest `cap` lines at or above their row's cut over all sets of [target, source] weights.
 * A histogram finds the cut: sorting every weight of 512 x 512 would cost a frame.
 */
export function collectLines(
  sets: readonly Float32Array[],
  width: number,
  cuts: readonly Float32Array[],
  cap: number,
): Lines {
  const bins = 1024;
  const bin = (weight: number) => Math.min(bins, Math.floor(Math.sqrt(weight) * bins));
  // The cells that are lines, of each set; a weight of zero never is one. By index and without calls: this runs over
  // every weight at each switch of a layer.
  const cells = sets.map((matrix, set) => {
    const places = new Uint32Array(matrix.length);
    let count = 0;
    for (let row = 0, i = 0; i < matrix.length; row++) {
      const cut = cuts[set]?.[row] ?? 0;
      for (const end = i + width; i < end; i++) {
        const weight = matrix[i] as number;
        if (weight > 0 && weight >= cut) places[count++] = i;
      }
    }
    return places.subarray(0, count);
  });
  const found = cells.reduce((sum, places) => sum + places.length, 0);
  let least = 0;
  if (found > cap) {
    const counts = new Uint32Array(bins + 1);
    cells.forEach((places, set) => {
      for (const place of places) {
        const b = bin(sets[set]?.[place] ?? 0);
        counts[b] = (counts[b] ?? 0) + 1;
      }
    });
    let kept = 0;
    least = bins;
    while (least > 0 && kept + (counts[least] ?? 0) <= cap) {
      kept += counts[least] ?? 0;
      least--;
    }
    least++;
  }
  const picked: [number, number, number, number][] = [];
  cells.forEach((places, set) => {
    for (const place of places) {
      const weight = sets[set]?.[place] ?? 0;
      if (found <= cap || bin(weight) >= least)
        picked.push([set, Math.floor(place / width), place % width, weight]);
    }
  });
  return { ...packLines(picked), found };
}

/** Lines [set, target, source, weight] in draw order. */
export function packLines(picked: [number, number, number, number][]): Lines {
  picked.sort((a, b) => a[3] - b[3]);
  return inLanes({
    set: Uint8Array.from(picked, (line) => line[0]),
    target: Uint16Array.from(picked, (line) => line[1]),
    source: Uint16Array.from(picked, (line) => line[2]),
    weight: Float32Array.from(picked, (line) => line[3]),
    found: picked.length,
  });
}

/** Puts lines with the same ends side by side, around the middle and in the order of their sets. */
function inLanes(lines: Omit<Lines, "lane">): Lines {
  const lane = new Float32Array(lines.weight.length);
  if (lines.set.every((set) => set === lines.set[0])) return { ...lines, lane };
  const bundles = new Map<number, number[]>();
  lines.set.forEach((_, i) => {
    const ends = (lines.target[i] ?? 0) * 65536 + (lines.source[i] ?? 0);
    const bundle = bundles.get(ends);
    if (bundle) bundle.push(i);
    else bundles.set(ends, [i]);
  });
  const widthOf = (i: number) => lineWidth(lines.weight[i] ?? 0);
  for (const bundle of bundles.values()) {
    if (bundle.length === 1) continue;
    bundle.sort((a, b) => (lines.set[a] ?? 0) - (lines.set[b] ?? 0));
    const total = bundle.reduce((sum, i) => sum + widthOf(i), 0);
    const squeeze = Math.min(1, WIDEST_BUNDLE / total);
    let start = -total / 2;
    for (const i of bundle) {
      lane[i] = (start + widthOf(i) / 2) * squeeze;
      start += widthOf(i);
    }
  }
  return { ...lines, lane };
}

/** The lines of one token on either side, weakest first. */
export function linesOfToken(
  sets: readonly Float32Array[],
  width: number,
  side: Side,
  unit: number,
  cuts: readonly Float32Array[],
): Lines {
  const found: [number, number, number, number][] = [];
  const height = width > 0 && sets[0] ? sets[0].length / width : 0;
  sets.forEach((matrix, set) => {
    const count = side === "target" ? width : height;
    for (let i = 0; i < count; i++) {
      const [t, s] = side === "target" ? [unit, i] : [i, unit];
      const weight = matrix[t * width + s] ?? 0;
      if (weight > 0 && weight >= (cuts[set]?.[t] ?? 0)) found.push([set, t, s, weight]);
    }
  });
  return packLines(found);
}

/** The strongest of lines that are in draw order. */
export function strongest(lines: Lines, count: number): Lines {
  const from = Math.max(0, lines.weight.length - count);
  return inLanes({
    set: lines.set.subarray(from),
    target: lines.target.subarray(from),
    source: lines.source.subarray(from),
    weight: lines.weight.subarray(from),
    found: lines.found,
  });
}
