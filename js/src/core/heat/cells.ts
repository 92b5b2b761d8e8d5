// Colors and numbers of heat-map cells: weights on the sequential map, differences on the diverging one.

import { formatDifference, formatWeight } from "../format";
import { referenceLinks } from "../reference";
import { differenceShade, type Ramp, weightShade } from "../scales";
import { lackingUnit, type Scene } from "../scene";
import type { Theme } from "../theme";
import type { CellMark, HeatCells } from "./paint";

function coloredCells(
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

/** The cells of a scene's matrix; those of a row that none of its heads has are blank. */
export function sceneCells(scene: Scene, top: number, theme: Theme): HeatCells {
  const cells = weightCells(scene.aggregate, top, theme);
  const [lacking, width] = [lackingUnit(scene.spec, scene.target), scene.source.labels.length];
  if (lacking < 0) return cells;
  return { ...cells, text: (index) => (Math.floor(index / width) === lacking ? "" : cells.text(index)) };
}

export function weightCells(values: Float32Array, top: number, theme: Theme): HeatCells {
  return coloredCells(
    values,
    theme.ramp,
    (value) => weightShade(value, top),
    (value) => formatWeight(value, false),
  );
}

export function differenceCells(values: Float32Array, top: number, theme: Theme): HeatCells {
  return coloredCells(values, theme.diverging, (value) => differenceShade(value, top), formatDifference);
}

/** The cells of a scene's reference links; a word that is shown as pieces has a cell for each piece. */
export function referenceMarks(scene: Scene): CellMark[] {
  const marks = new Map<string, CellMark>();
  for (const { source, target, sure } of referenceLinks(scene))
    for (const row of target)
      for (const column of source) {
        const key = `${row} ${column}`;
        if (!(marks.get(key)?.sure ?? false)) marks.set(key, { row, column, sure });
      }
  return [...marks.values()];
}
