// What a scene says about single words: how much each source word is read, and how probable each target word is.
import { formatProbability } from "./format";
import { logprobOf, type Scene, unitName } from "./scene";

/** From this weight on, a target word counts as a reader: a smaller one is shown as 0.00. */
export const READER = 0.01;

const known = new WeakMap<Scene, Float32Array>();

/**
 * How much each source unit is read: the sum of its column over all target rows. A row sums to 1, so that 1 is what one
 * target word has to give. Added up once for each scene.
 */
export function coverageOf(scene: Scene): Float32Array {
  const done = known.get(scene);
  if (done) return done;
  const width = scene.source.labels.length;
  const coverage = new Float32Array(width);
  const { aggregate } = scene;
  for (let start = 0; start < aggregate.length; start += width)
    for (let column = 0; column < width; column++) {
      const weight = aggregate[start + column] as number;
      if (weight > 0) coverage[column] = (coverage[column] as number) + weight;
    }
  known.set(scene, coverage);
  return coverage;
}

/** How much one source unit is read, and by how many, from its weights. */
export function readingOf(weights: Float32Array): { total: number; readers: number } {
  let [total, readers] = [0, 0];
  for (const weight of weights) {
    if (!(weight > 0)) continue;
    total += weight;
    if (weight >= READER) readers += 1;
  }
  return { total, readers };
}

/**
 * Log-probability of the word that names a target row, or null where it is not known. Under the reading "input" a row is
 * named by the token that it reads, which the row before has written.
 */
export function ownLogprobOf(scene: Scene, unit: number): number | null {
  return logprobOf(scene, unit, scene.spec.reading === "input" ? 1 : 0);
}

/** The probability of each target word, null where it is not known. */
export function probabilitiesOf(scene: Scene): (number | null)[] {
  return scene.target.labels.map((_, unit) => {
    const logprob = ownLogprobOf(scene, unit);
    return logprob === null ? null : Math.exp(logprob);
  });
}

/** What screen readers and tooltips say of each source unit: how much it is read. */
export function coverageTexts(scene: Scene): string[] {
  return Array.from(coverageOf(scene), (total) => `read ${total.toFixed(2)} in total`);
}

/** What screen readers and tooltips say of each target unit: its probability, or "" where it is not known. */
export function probabilityTexts(scene: Scene): string[] {
  const which =
    scene.spec.reading === "input"
      ? ` (of this ${unitName(scene)}, not of the one that its row predicts)`
      : "";
  return probabilitiesOf(scene).map((value) =>
    value === null ? "" : `probability ${formatProbability(value)}${which}`,
  );
}
