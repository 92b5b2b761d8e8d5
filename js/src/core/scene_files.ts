// The weights of a scene as files: CSV, JSON and Pharaoh alignments.
import type { SentenceInfo } from "./contract";
import { type Cells, csv, digits } from "./csv";
import type { Drop } from "./dropping";
import { rowNamesOf } from "./own_rows";
import { lackingUnit, lacksRow, type Scene } from "./scene";
import { rowOf } from "./units";

/** The largest error of weights that do not come from a kernel. */
export const QUANTIZED = "read from bytes, at most 0.004 off";

/** One line for each set of lines, target unit and source unit. */
export function csvText(scene: Scene, names: readonly string[], spreadsheet = false): string {
  const width = scene.source.labels.length;
  const rows: Cells[] = [["heads", "target", "target_token", "source", "source_token", "weight"]];
  scene.sets.forEach((matrix, set) => {
    scene.target.labels.forEach((target, t) => {
      const lacks = lacksRow(scene, set, t);
      scene.source.labels.forEach((source, s) => {
        rows.push([names[set] ?? "", t, target, s, source, lacks ? null : (matrix[t * width + s] ?? 0)]);
      });
    });
  });
  return csv(rows, spreadsheet);
}

/** What becomes of special tokens, in words, as xattn_widget/panel/export.py writes it. */
const KEPT: Record<Drop, string> = {
  nothing: "kept",
  drop: "dropped, rows renormalized",
  drop_punctuation: "dropped with punctuation, rows renormalized",
};

export function jsonText(scene: Scene, info: SentenceInfo | undefined, exact: boolean): string {
  const width = scene.source.labels.length;
  const rows = (matrix: Float32Array, lacking: (unit: number) => boolean) =>
    scene.target.labels.map((_, t) =>
      Array.from(rowOf(matrix, width, t), (value) => (lacking(t) ? null : Number(digits(value)))),
    );
  const { sentence, heads, aggregate, words, drop, moved } = scene.spec;
  const lacking = lackingUnit(scene.spec, scene.target);
  return JSON.stringify(
    {
      model: info?.model ?? "",
      name: info?.name ?? "",
      sentence,
      heads,
      reading: rowNamesOf(scene.spec),
      ...(moved.length > 0 ? { moved } : {}),
      words,
      special: KEPT[drop],
      sinks: (scene.spec.divided && info?.sinks?.note) || "kept",
      weights: exact ? "exact" : QUANTIZED,
      source: scene.source.labels,
      target: scene.target.labels,
      [aggregate]: rows(scene.aggregate, (unit) => unit === lacking),
      ...(scene.aggregated
        ? {}
        : { each: scene.sets.map((matrix, set) => rows(matrix, (unit) => lacksRow(scene, set, unit))) }),
    },
    null,
    1,
  );
}

/** For each target word the source word with the largest weight, from a scene of words; special tokens are skipped. */
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
