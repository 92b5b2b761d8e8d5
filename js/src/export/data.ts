// The shown numbers as text: CSV, JSON and Pharaoh alignments.
import type { Difference } from "../compare";
import { rowOf } from "../matrix";
import type { Scene } from "../scene";
import type { ScoreInfo, ScoresReply, SentenceInfo } from "../types";

/** Whether the weights are the kernel's own, and if not how far they may be off. */
export const QUANTISED = "read from bytes, at most 0.004 off";

function field(text: string | number): string {
  const written = String(text);
  return /[",\n\r]/.test(written) ? `"${written.replace(/"/g, '""')}"` : written;
}

/** Digits that survive float32. */
function number(value: number): string {
  return String(Number(value.toPrecision(7)));
}

/** A line for each pair of a target and a source unit and each line set. */
export function csvText(scene: Scene, names: readonly string[]): string {
  const width = scene.source.labels.length;
  const lines = ["heads,target,target_token,source,source_token,weight"];
  scene.sets.forEach((matrix, set) => {
    scene.target.labels.forEach((target, t) => {
      scene.source.labels.forEach((source, s) => {
        const weight = number(matrix[t * width + s] ?? 0);
        lines.push([names[set] ?? "", String(t), target, String(s), source, weight].map(field).join(","));
      });
    });
  });
  return `${lines.join("\n")}\n`;
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
      special: drop ? "dropped, rows renormalised" : "kept",
      weights: exact ? "exact" : QUANTISED,
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

/** A line for each head, a column for each score; the columns are named by the scores' signatures. */
export function scoresCsv(scores: readonly ScoreInfo[], grids: ReadonlyMap<string, ScoresReply>): string {
  const held = scores.flatMap(({ name }) => grids.get(name) ?? []);
  const first = held[0]?.values ?? [];
  const lines = [["layer", "head", ...held.map(({ signature }) => signature)].map(field).join(",")];
  first.forEach((row, layer) => {
    row.forEach((_, head) => {
      const values = held.map((grid) => grid.values[layer]?.[head] ?? null);
      lines.push([layer, head, ...values.map((value) => (value === null ? "" : number(value)))].join(","));
    });
  });
  return `${lines.join("\n")}\n`;
}

export function scoresJson(scores: readonly ScoreInfo[], grids: ReadonlyMap<string, ScoresReply>): string {
  const held = scores.flatMap(({ name, direction }) => {
    const grid = grids.get(name);
    return grid ? [{ name, direction, signature: grid.signature, values: grid.values }] : [];
  });
  return JSON.stringify({ scores: held }, null, 1);
}

/** A line for each pair of tokens that both sides have, with both weights and their difference. */
export function compareCsv(
  first: Scene,
  second: Scene,
  difference: Difference,
  names: readonly string[],
): string {
  const { source, target } = difference;
  const at = (scene: Scene, t: number, s: number) => scene.aggregate[t * scene.source.labels.length + s] ?? 0;
  const lines = [
    ["target_token", "source_token", `A: ${names[0]}`, `B: ${names[1]}`, "A - B"].map(field).join(","),
  ];
  target.labels.forEach((to, t) => {
    source.labels.forEach((from, s) => {
      const a = at(first, difference.first.target[t] ?? 0, difference.first.source[s] ?? 0);
      const b = at(second, difference.second.target[t] ?? 0, difference.second.source[s] ?? 0);
      lines.push([to, from, number(a), number(b), number(a - b)].map(field).join(","));
    });
  });
  return `${lines.join("\n")}\n`;
}
