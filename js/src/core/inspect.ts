// Describes a token or a cell in words, for the readout and for screen readers.
import { PARTNERS } from "./constants";
import type { Head, Side } from "./contract";
import { droppedName } from "./dropping";
import { formatProbability, formatScore, formatWeight, headName, tokenText } from "./format";
import { lackingUnit, type Scene, unitName, unitsOf, weightsOf } from "./scene";
import { ownLogprobOf, READER, readingOf } from "./totals";
import { type Partner, topPartners } from "./units";

export interface Token {
  side: Side;
  unit: number;
}

export interface Inspection {
  token: Token;
  kind: string;
  label: string;
  facts: string;
  caption: string;
  partners: InspectedPartner[];
  /** The picked heads in words, where each has its own weight with every partner. */
  heads: string[];
  exact: boolean;
}

export interface InspectedPartner {
  index: number;
  label: string;
  /** The aggregate's weight. */
  value: number;
  /** The weight of each of the inspection's heads. */
  each: number[];
  special: boolean;
}

export function otherSide(side: Side): Side {
  return side === "source" ? "target" : "source";
}

/** Describes a token with the given weights, or with the scene's quantized ones. */
export function inspectToken(scene: Scene, token: Token, exact: Float32Array | null): Inspection {
  const { side, unit } = token;
  const units = unitsOf(scene, side);
  const others = unitsOf(scene, otherSide(side));
  const weights = exact ?? weightsOf(scene, side, unit);
  const separate = scene.sets.length > 1;
  const width = scene.source.labels.length;
  const partners = topPartners(weights, PARTNERS).map((partner: Partner) => {
    const cell = side === "target" ? unit * width + partner.index : partner.index * width + unit;
    return {
      ...partner,
      label: others.labels[partner.index] ?? "",
      each: separate ? scene.sets.map((matrix) => matrix[cell] ?? 0) : [],
      special: others.special[partner.index] ?? false,
    };
  });
  return {
    token,
    kind: `${side === "source" ? "Source" : "Target"} ${placeText(scene, side, unit)}`,
    label: units.labels[unit] ?? "",
    facts: side === "target" ? rowText(scene, unit) : readText(scene, weights, exact !== null),
    caption: `${side === "target" ? "Looks at" : "Looked at by"}${headsText(scene)}${fewText(weights)}`,
    partners,
    heads: separate ? scene.spec.heads.map((head) => headName(...head)) : [],
    exact: exact !== null,
  };
}

/** That the listed partners are not all. */
function fewText(weights: Float32Array): string {
  const { readers } = readingOf(weights);
  return readers > PARTNERS ? `, ${PARTNERS} strongest of ${readers}` : "";
}

/** Which tokens a unit is. Where words are merged, it says so: the numbers count tokens. */
function placeText(scene: Scene, side: Side, unit: number): string {
  const { positions, special } = unitsOf(scene, side);
  const [first, last] = [positions[unit]?.[0] ?? 0, positions[unit]?.at(-1) ?? 0];
  const tokens = first === last ? `token ${first}` : `tokens ${first}–${last}`;
  return scene.spec.words && !special[unit] ? `word (${tokens})` : tokens;
}

function headsText(scene: Scene): string {
  const count = scene.spec.heads.length;
  return count > 1 ? ` (${scene.spec.aggregate} of ${count} heads)` : "";
}

/** How much a source unit is read in total, and by how many target units. */
function readText(scene: Scene, weights: Float32Array, exact: boolean): string {
  const { total, readers } = readingOf(weights);
  const by = readers > 0 ? `, by ${readers} ${unitName(scene, readers)} with ${READER} or more` : "";
  return `read ${formatWeight(total, exact)} in total${by}`;
}

/** What is known of a target row besides its weights: its probability, and how much of it was on what is dropped. */
function rowText(scene: Scene, unit: number): string {
  const { dropped, spec } = scene;
  const facts = [probabilityText(scene, unit)];
  if (unit === lackingUnit(spec, scene.target)) facts.push("nothing reads it, so that it has no row here");
  if (dropped && spec.drop !== "nothing")
    facts.push(`${formatWeight(dropped[unit] ?? 0, false)} of its weight was on ${droppedName(spec.drop)}`);
  return facts.filter(Boolean).join("; ");
}

/**
 * The probability of the word that names a target row. Where this is the word that the row reads, the row also predicts
 * another one.
 */
function probabilityText(scene: Scene, unit: number): string {
  const logprob = ownLogprobOf(scene, unit);
  const own =
    logprob === null
      ? ""
      : `probability ${formatProbability(Math.exp(logprob))} (log ${formatScore(logprob)})`;
  if (scene.spec.reading === "output") return own;
  const position = scene.target.positions[unit]?.at(-1) ?? 0;
  const next = scene.reply.logprobs?.[position];
  if (next === null || next === undefined || !Number.isFinite(next)) return own;
  const predicted = tokenText(scene.reply.target.output.labels[position] ?? "");
  return `${own}${own ? "; " : ""}its row predicts \u2068${predicted}\u2069 with ${formatProbability(Math.exp(next))}`;
}

/** One sentence for a screen reader. */
export function speak(inspection: Inspection, number: (value: number) => string): string {
  const partners = inspection.partners.map(({ label, value, each }) => {
    // Of several heads, the one that contributes most: their mean alone would hide it.
    const strongest = each.indexOf(each.reduce((most, weight) => Math.max(most, weight), 0));
    const head =
      each.length > 1 ? ` (${inspection.heads[strongest]} ${(each[strongest] ?? 0).toFixed(2)})` : "";
    return `${tokenText(label)} ${number(value)}${head}`;
  });
  const facts = inspection.facts ? `, ${inspection.facts}` : "";
  return `${inspection.kind}, ${tokenText(inspection.label)}${facts}. ${inspection.caption}: ${partners.join(", ") || "nothing"}.`;
}

export function speakPicked(heads: readonly Head[], score: string): string {
  if (heads.length > 4) return `${heads.length} heads picked.${score}`;
  return `Picked ${heads.map(([layer, head]) => headName(layer, head)).join("; ")}.${score}`;
}

/** Describes one cell of the heat map: its weight, and its row's partners. */
export function inspectCell(
  scene: Scene,
  [target, source]: readonly [number, number],
  exact: Float32Array | null,
): Inspection {
  const row = inspectToken(scene, { side: "target", unit: target }, exact);
  const value = (exact ?? weightsOf(scene, "target", target))[source] ?? 0;
  const label = tokenText(scene.source.labels[source] ?? "");
  // Isolates keep a right-to-left token from reversing the sentence.
  return { ...row, facts: `${formatWeight(value, exact !== null)} on \u2068${label}\u2069` };
}
