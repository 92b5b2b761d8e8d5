// What a view needs of a sentence: whether its tab is offered, and whether it has to wait for weights.
import { kindAt } from "./axis";
import type { Axis, AxisKind } from "./contract";

export interface Needs {
  /** Is offered only where there are several sentences. */
  several?: boolean;
  /** Draws the weights of the picked heads, and has to wait for them. */
  weights?: boolean;
  /** Is offered only where some position of the source is of this kind. */
  source?: AxisKind;
  /** Is offered only where some position of the target is of this kind. */
  target?: AxisKind;
}

/** Whether one of this number of sentences, with these axes, has what a view needs. */
export function isOffered(
  needs: Needs,
  axes: { source: Axis; target: Axis } | null,
  sentences: number,
): boolean {
  if (needs.several && sentences < 2) return false;
  return (["source", "target"] as const).every((side) => {
    const kind = needs[side];
    if (kind === undefined) return true;
    const axis = axes?.[side];
    return axis?.labels.some((_, position) => kindAt(axis, position) === kind) ?? false;
  });
}
