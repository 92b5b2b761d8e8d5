// The fewest weights that hold a share of their sum. Python says the same in xattn_widget/record/fewest.py.

/** Rounding in float32 must not add a weight: sums that are this share smaller count as equal. */
const TOLERANCE = 1e-6;

/**
 * The smallest weight among the fewest of values[from, to) that together hold a share of their sum; infinite where no
 * weight is needed. The part is not sorted as a whole: that would take longer than a frame for 512 rows of 512.
 */
export function leastOf(values: Float32Array, share: number, from = 0, to = values.length): number {
  let whole = 0;
  for (let i = from; i < to; i++) whole += values[i] as number;
  const wanted = wantedOf(whole, share);
  if (!(wanted > 0)) return Number.POSITIVE_INFINITY;
  // Weights below this one together have less than the share that is left out.
  const small = (whole * (1 - share)) / (to - from);
  let count = 0;
  for (let i = from; i < to; i++) if ((values[i] as number) >= small) count++;
  const sorted = new Float32Array(count);
  for (let i = from, place = 0; i < to; i++)
    if ((values[i] as number) >= small) sorted[place++] = values[i] as number;
  sorted.sort();
  let [held, last] = [0, count];
  for (; last > 0 && held < wanted; last--) held += sorted[last - 1] as number;
  return sorted[last] as number;
}

/** The places of the fewest weights that together hold a share of their sum, the larger ones before equal ones. */
export function fewest(values: Float32Array, share: number): number[] {
  const least = leastOf(values, share);
  const wanted = wantedOf(
    values.reduce((sum, value) => sum + value, 0),
    share,
  );
  const chosen: number[] = [];
  const equal: number[] = [];
  values.forEach((value, place) => {
    if (value > least) chosen.push(place);
    else if (value === least) equal.push(place);
  });
  // Added from the largest on, as where the least was found.
  let held = chosen
    .map((place) => values[place] as number)
    .sort((a, b) => b - a)
    .reduce((sum, value) => sum + value, 0);
  // Of equal ones the first.
  for (const place of equal) {
    if (held >= wanted) break;
    chosen.push(place);
    held += least;
  }
  return chosen;
}

function wantedOf(whole: number, share: number): number {
  return share * whole * (1 - TOLERANCE);
}
