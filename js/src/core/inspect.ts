// Describes a token or a cell in words, for the readout and for screen readers.
import { PARTNERS } from "./constants";
import type { Head, Side } from "./contract";
import { formatProbability, formatScore, formatWeight, headName, tokenText } from "./format";
import { logprobOf, type Scene, unitsOf, weightsOf } from "./scene";
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
  partners: { index: number; label: string; value: number; special: boolean }[];
  exact: boolean;
}

export function otherSide(side: Side): Side {
  return side === "source" ? "target" : "source";
}

/** Describes a token with the given weights, or with the scene's quantized ones. */
export function inspectToken(scene: Scene, token: Token, exact: Float32Array | null): Inspection {
  const { side, unit } = token;
  const units = unitsOf(scene, side);
  const others = unitsOf(scene, otherSide(side));
  const partners = topPartners(exact ?? weightsOf(scene, side, unit), PARTNERS).map((partner: Partner) => ({
    ...partner,
    label: others.labels[partner.index] ?? "",
    special: others.special[partner.index] ?? false,
  }));
  return {
    token,
    kind: `${side === "source" ? "Source" : "Target"} ${positionText(units.positions[unit] ?? [])}`,
    label: units.labels[unit] ?? "",
    facts: side === "target" ? probabilityText(scene, unit) : "",
    caption: `${side === "target" ? "Looks at" : "Looked at by"}${headsText(scene)}`,
    partners,
    exact: exact !== null,
  };
}

function positionText(positions: number[]): string {
  const [first, last] = [positions[0] ?? 0, positions[positions.length - 1] ?? 0];
  return first === last ? `token ${first}` : `tokens ${first}–${last}`;
}

function headsText(scene: Scene): string {
  const count = scene.spec.heads.length;
  return count > 1 ? ` (${scene.spec.aggregate} of ${count} heads)` : "";
}

/** The probability of the token that a target row predicts; with its name where the row has the label of its input. */
function probabilityText(scene: Scene, unit: number): string {
  const logprob = logprobOf(scene, unit);
  if (logprob === null) return "";
  const numbers = `probability ${formatProbability(Math.exp(logprob))} (log ${formatScore(logprob)})`;
  if (scene.spec.reading === "output") return numbers;
  const positions = scene.target.positions[unit] ?? [];
  const predicted = scene.reply.target.output.labels[positions[positions.length - 1] ?? 0] ?? "";
  return `writes \u2068${tokenText(predicted)}\u2069, ${numbers}`;
}

/** One sentence for a screen reader. */
export function speak(inspection: Inspection, number: (value: number) => string): string {
  const partners = inspection.partners.map(
    (partner) => `${tokenText(partner.label)} ${number(partner.value)}`,
  );
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
