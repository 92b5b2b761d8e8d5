// Colors and numbers of heat-map cells: weights on the sequential map, differences on the diverging one.

import type { ReferenceLine } from "../../lines/paint";
import type { Side } from "../contract";
import { formatDifference, formatWeight } from "../format";
import { differenceShade, type Ramp, weightShade } from "../scales";
import type { Scene } from "../scene";
import type { Theme } from "../theme";
import type { CellMark, HeatCells } from "./paint";

function colored(
  values: Float32Array,
  ramp: Ramp,
  shade: (value: number) => number,
  text: (value: number) => string,
): HeatCells {
  const pixels = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const byte = Math.max(0, Math.min(255, Math.round(shade(values[i] ?? 0) * 255)));
    pixels[i] = ramp.pixels[byte] ?? 0;
  }
  return {
    pixels,
    text: (index) => text(values[index] ?? 0),
    ink: (index) => ramp.ink(shade(values[index] ?? 0)),
  };
}

export function weightCells(values: Float32Array, top: number, theme: Theme): HeatCells {
  return colored(
    values,
    theme.ramp,
    (value) => weightShade(value, top),
    (value) => formatWeight(value, false),
  );
}

export function differenceCells(values: Float32Array, top: number, theme: Theme): HeatCells {
  return colored(values, theme.diverging, (value) => differenceShade(value, top), formatDifference);
}

/** A scene's reference links in units; those whose every token is dropped are left out. */
export function referenceLines(scene: Scene): ReferenceLine[] {
  const { reference } = scene.reply;
  if (!reference) return [];
  const axes = { source: scene.reply.source, target: scene.reply.target[scene.spec.reading] };
  // A token that a row predicts is what the row below it has read.
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

/** The cells of a scene's reference links; words that are shown as pieces have a cell for each pair of them. */
export function referenceMarks(scene: Scene): CellMark[] {
  const marks = new Map<string, CellMark>();
  for (const { source, target, sure } of referenceLines(scene))
    for (const row of target)
      for (const column of source) {
        const key = `${row} ${column}`;
        if (!(marks.get(key)?.sure ?? false)) marks.set(key, { row, column, sure });
      }
  return [...marks.values()];
}
