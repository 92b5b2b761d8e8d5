// A token's weights as text, for the clipboard.
import { otherSide, type Token } from "../core/inspect";
import { logprobOf, type Scene, unitsOf } from "../core/scene";

/** A tab or a line break inside a token would be a cell or a row of its own. */
export function cellText(label: string): string {
  return label.replace(/[\t\r\n]/g, " ");
}

/** What a row holds, a line a partner in the order of the sentence: position, token, weight, tab-separated. */
export function rowText(scene: Scene, token: Token, weights: Float32Array, heads: string): string {
  const { side, unit } = token;
  const [own, others] = [unitsOf(scene, side), unitsOf(scene, otherSide(side))];
  const logprob = side === "target" ? logprobOf(scene, unit) : null;
  const head = [
    `# ${side} ${unit}: ${cellText(own.labels[unit] ?? "")}`,
    heads,
    ...(logprob === null ? [] : [`log-probability ${logprob.toFixed(4)}`]),
  ].join(", ");
  const lines = others.labels.map(
    (label, index) => `${index}\t${cellText(label)}\t${(weights[index] ?? 0).toFixed(6)}`,
  );
  return [head, `position\t${otherSide(side)}\tweight`, ...lines, ""].join("\n");
}
