// The reference alignment of a sentence, in the units that a scene shows.
import type { Reading, Side } from "./contract";
import type { Scene } from "./scene";

/** A link between groups of units. */
export interface ReferenceLink {
  source: number[];
  target: number[];
  sure: boolean;
}

/** By how many rows a token is later than by the token written: the one that a row predicts is what the next row reads. */
export function readShift(reading: Reading): number {
  return reading === "input" ? 1 : 0;
}

/** A scene's reference links in units; links of which every token is dropped are left out. */
export function referenceLinks(scene: Scene): ReferenceLink[] {
  const { reference } = scene.reply;
  if (!reference) return [];
  const axes = { source: scene.reply.source, target: scene.reply.target[scene.spec.reading] };
  const shift = readShift(scene.spec.reading);
  const unitsOf = (side: Side, number: number) => {
    const { groups } = axes[side];
    const positions = reference.words
      ? groups.flatMap((group, position) => (group === number ? [position] : []))
      : [side === "target" ? number + shift : number];
    const units = positions.map((position) => scene[side].assign[position] ?? -1);
    return [...new Set(units.filter((unit) => unit >= 0))];
  };
  return reference.links
    .map(([source, target, sure]) => ({
      source: unitsOf("source", source),
      target: unitsOf("target", target),
      sure,
    }))
    .filter(({ source, target }) => source.length > 0 && target.length > 0);
}
