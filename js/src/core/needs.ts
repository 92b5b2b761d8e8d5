// What a view needs of a sentence: whether its tab is offered, and whether it has to wait for weights.
import { kindAt, placeAt } from "./axis";
import type { Axis, AxisKind } from "./contract";

export interface Needs {
  /** Is offered only where there are several sentences. */
  several?: boolean;
  /** Draws the weights of the picked heads, and has to wait for them. */
  weights?: boolean;
  /** Is offered only where some position of the source is of this kind. */
  source?: AxisKind;
  /** Is offered only where some position of the source has a place in a picture. */
  places?: boolean;
  /** Is not offered where some position of the source is of this kind. */
  without?: AxisKind;
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
  if (needs.without !== undefined && hasKind(axes?.source, needs.without)) return false;
  if (needs.places && !hasPlaces(axes?.source)) return false;
  return (["source", "target"] as const).every((side) => {
    const kind = needs[side];
    return kind === undefined || hasKind(axes?.[side], kind);
  });
}

function hasKind(axis: Axis | undefined, kind: AxisKind): boolean {
  return axis?.labels.some((_, position) => kindAt(axis, position) === kind) ?? false;
}

/** Whether some position has a place in a picture. The latents of a resampler, for example, have none. */
export function hasPlaces(axis: Axis | undefined): boolean {
  return axis?.labels.some((_, position) => placeAt(axis, position)?.length === 4) ?? false;
}
