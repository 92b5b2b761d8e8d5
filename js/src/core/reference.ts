// The reference alignment of a sentence, in the units that a scene shows.
import type { Side } from "./contract";
import type { Scene } from "./scene";

/** A link between groups of units. */
export interface ReferenceLink {
  source: number[];
  target: number[];
  sure: boolean;
}

/** A scene's reference links in units; links of which every token is dropped are left out. */
export function referenceLinks(scene: Scene): ReferenceLink[] {
  const { reference } = scene.reply;
  if (!reference) return [];
  const axes = { source: scene.reply.source, target: scene.reply.target[scene.spec.reading] };
  // The token that a row predicts is the one that the next row reads.
  const shift = scene.spec.reading === "input" ? 1 : 0;
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
