// The shown numbers as text: CSV, JSON and Pharaoh alignments.
import type { Difference } from "../compare/difference";
import type { ScoreInfo, ScoresReply, SentenceInfo } from "./contract";
import { wellFormed } from "./format";
import type { Scene } from "./scene";
import { rowOf } from "./units";

/** Whether the weights are the kernel's own, and if not how far they may be off. */
export const QUANTIZED = "read from bytes, at most 0.004 off";

/** What a spreadsheet takes for a formula; the wide forms are, where keyboards have them. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/**
 * A cell of CSV (RFC 4180). For a spreadsheet every text is quoted, and one that would be taken for a formula has an
 * apostrophe in front; numbers are numbers.
 */
function cell(value: string | number, spreadsheet: boolean): string {
  if (typeof value === "number") return number(value);
  const text = wellFormed(value);
  if (spreadsheet) return quoted(FORMULA.test(text) ? `'${text}` : text);
  return /[",\n\r]/.test(text) ? quoted(text) : text;
}

function quoted(text: string): string {
  return `"${text.replace(/"/g, '""')}"`;
}

/** null is an empty cell. */
type Cells = readonly (string | number | null)[];

function csv(rows: Iterable<Cells>, spreadsheet: boolean): string {
  return Array.from(rows, (row) => {
    const cells = row.map((value) => (value === null ? "" : cell(value, spreadsheet)));
    return `${cells.join(",")}\n`;
  }).join("");
}

/** Digits that survive float32. */
function number(value: number): string {
  return String(Number(value.toPrecision(7)));
}

/** A line for each pair of a target and a source unit and each line set. */
export function csvText(scene: Scene, names: readonly string[], spreadsheet = false): string {
  const width = scene.source.labels.length;
  const rows: Cells[] = [["heads", "target", "target_token", "source", "source_token", "weight"]];
  scene.sets.forEach((matrix, set) => {
    scene.target.labels.forEach((target, t) => {
      scene.source.labels.forEach((source, s) => {
        rows.push([names[set] ?? "", t, target, s, source, matrix[t * width + s] ?? 0]);
      });
    });
  });
  return csv(rows, spreadsheet);
}

export function jsonText(scene: Scene, info: SentenceInfo | undefined, exact: boolean): string {
  const width = scene.source.labels.length;
  const rows = (matrix: Float32Array) =>
    scene.target.labels.map((_, t) => Array.from(rowOf(matrix, width, t), (value) => Number(number(value))));
  const { sentence, heads, aggregate, words, drop, reading } = scene.spec;
  return JSON.stringify(
    {
      model: info?.model ?? "",
      name: info?.name ?? "",
      sentence,
      heads,
      reading,
      words,
      special: drop ? "dropped, rows renormalized" : "kept",
      weights: exact ? "exact" : QUANTIZED,
      source: scene.source.labels,
      target: scene.target.labels,
      [aggregate]: rows(scene.aggregate),
      ...(scene.aggregated ? {} : { each: scene.sets.map(rows) }),
    },
    null,
    1,
  );
}

/** The source word that each target word weighs most, from a scene of words; special tokens are passed over. */
export function pharaohText(scene: Scene): string {
  const width = scene.source.labels.length;
  const wordOf = (side: "source" | "target", unit: number) => {
    const axis = side === "source" ? scene.reply.source : scene.reply.target[scene.spec.reading];
    return axis.groups[scene[side].positions[unit]?.[0] ?? 0] ?? -1;
  };
  const links = scene.target.labels.flatMap((_, t) => {
    const row = rowOf(scene.aggregate, width, t);
    let [best, most] = [-1, 0];
    row.forEach((value, s) => {
      if (value > most && !scene.source.special[s]) [best, most] = [s, value];
    });
    if (best < 0 || scene.target.special[t]) return [];
    const [source, target] = [wordOf("source", best), wordOf("target", t)];
    return source >= 0 && target >= 0 ? [`${source}-${target}`] : [];
  });
  return `${links.join(" ")}\n`;
}

/** A line for each head, a column for each score that could be computed, named by its signature. */
export function scoresCsv(
  scores: readonly ScoreInfo[],
  grids: ReadonlyMap<string, ScoresReply>,
  spreadsheet = false,
): string {
  const held = scores.flatMap(({ name }) => grids.get(name) ?? []);
  const first = held[0]?.values ?? [];
  const rows: Cells[] = [["layer", "head", ...held.map(({ signature }) => signature)]];
  first.forEach((row, layer) => {
    row.forEach((_, head) => {
      rows.push([layer, head, ...held.map((grid) => grid.values[layer]?.[head] ?? null)]);
    });
  });
  return csv(rows, spreadsheet);
}

export function scoresJson(
  scores: readonly ScoreInfo[],
  grids: ReadonlyMap<string, ScoresReply>,
  failures: ReadonlyMap<string, string> = new Map(),
): string {
  const held = scores.map(({ name, direction, signature }) => {
    const grid = grids.get(name);
    return grid
      ? { name, direction, signature: grid.signature, values: grid.values }
      : { name, direction, signature, error: failures.get(name) ?? "not computed" };
  });
  return JSON.stringify({ scores: held }, null, 1);
}

/** A line for each pair of tokens that both sides have, with both weights and their difference. */
export function compareCsv(
  first: Scene,
  second: Scene,
  difference: Difference,
  names: readonly string[],
  spreadsheet = false,
): string {
  const { source, target } = difference;
  const at = (scene: Scene, t: number, s: number) => scene.aggregate[t * scene.source.labels.length + s] ?? 0;
  const rows: Cells[] = [["target_token", "source_token", `A: ${names[0]}`, `B: ${names[1]}`, "A - B"]];
  target.labels.forEach((to, t) => {
    source.labels.forEach((from, s) => {
      const a = at(first, difference.first.target[t] ?? 0, difference.first.source[s] ?? 0);
      const b = at(second, difference.second.target[t] ?? 0, difference.second.source[s] ?? 0);
      rows.push([to, from, a, b, a - b]);
    });
  });
  return csv(rows, spreadsheet);
}
