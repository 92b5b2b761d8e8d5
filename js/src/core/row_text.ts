// Copies a token's weights as text.

import { copyText } from "./clipboard";
import { type Context, tell } from "./context";
import { errorText } from "./errands";
import { otherSide, type Token } from "./inspect";
import { jointName, movedNote } from "./saved";
import { exactWeightsOf, logprobOf, type Scene, unitsOf, weightsOf } from "./scene";

/** A tab or a line break inside a token would start a new cell or row. */
export function cellText(label: string): string {
  return label.replace(/[\t\r\n]/g, " ");
}

/** One line per partner in the order of the sentence: position, token and weight, separated by tabs. */
export function rowText(scene: Scene, token: Token, weights: Float32Array, heads: string): string {
  const { side, unit } = token;
  const [units, others] = [unitsOf(scene, side), unitsOf(scene, otherSide(side))];
  const logprob = side === "target" ? logprobOf(scene, unit) : null;
  const head = [
    `# ${side} ${unit}: ${cellText(units.labels[unit] ?? "")}`,
    heads,
    ...(logprob === null ? [] : [`log-probability ${logprob.toFixed(4)}`]),
  ].join(", ");
  const lines = others.labels.map(
    (label, index) => `${index}\t${cellText(label)}\t${(weights[index] ?? 0).toFixed(6)}`,
  );
  return [head, `position\t${otherSide(side)}\tweight`, ...lines, ""].join("\n");
}

/** Copies all weights of a token to the clipboard, exact where there is a kernel, and reports the result. */
export async function copyRow(context: Context, token: Token): Promise<void> {
  const { store, hasKernel, data, loader, root, signal } = context;
  const scene = loader.picked.value;
  if (!scene) return;
  const name = `${jointName(store, scene.spec)}${movedNote(scene.spec)}`;
  const exact = hasKernel.peek()
    ? await exactWeightsOf(data, scene, token.side, token.unit).catch(() => null)
    : null;
  if (signal.aborted) return;
  const weights = exact ?? weightsOf(scene, token.side, token.unit);
  try {
    await copyText(rowText(scene, token, weights, name), root);
    tell(context, "Row copied.");
  } catch (error) {
    tell(context, `The row could not be copied: ${errorText(error)}.`);
  }
}
