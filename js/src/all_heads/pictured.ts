// A head over the picture of its record: the patches that the pinned word looks at, or the mean of all words.
import type { ImageInfo } from "../core/contract";
import type { LayerWeights } from "../core/data";
import { prepareCanvas } from "../core/dom";
import type { Picture, Size } from "../core/picture/file";
import { type Patches, patchesOf } from "../core/picture/patches";
import { countedUnits, readRow } from "../core/picture/rows";
import { paintWhole } from "../core/picture/whole";
import type { Scene } from "../core/scene";
import { canvasSurface } from "../core/surface";
import type { Theme } from "../core/theme";
import { makeUnits, maximum } from "../core/units";

export interface Pictured {
  /** Of the positions of the source, and of the units of the scene. */
  patches: Patches;
  unitPatches: Patches;
  picture: Picture | null;
  /** The pinned word; null for the mean of all. */
  unit: number | null;
  /** The rows of the record that are drawn, and how much of each. */
  rows: readonly { position: number; share: number }[];
}

const OPACITY = 0.8;
/** The longer side of a thumbnail, in pixels of the canvas. */
const LONGER = 208;

export function picturedOf(
  scene: Scene,
  unit: number | null,
  image: ImageInfo | null,
  picture: Picture | null,
): Pictured {
  const units = unit === null ? countedUnits(scene) : [unit];
  const rows = units.flatMap((each) => {
    const positions = scene.target.positions[each] ?? [];
    return positions.map((position) => ({ position, share: 1 / units.length / positions.length }));
  });
  const { places } = makeUnits(scene.reply.source, { words: false, drop: "nothing" });
  return {
    patches: patchesOf(places, image),
    unitPatches: patchesOf(scene.source.places, image),
    picture,
    unit,
    rows,
  };
}

/** Draws one head of a layer as a thumbnail. */
export function drawPictured(
  canvas: HTMLCanvasElement,
  layer: LayerWeights,
  head: number,
  { patches, picture, rows }: Pictured,
  theme: Theme,
): void {
  const [, targets, sources] = layer.shape;
  const values = new Float32Array(patches.units.length);
  for (const { position, share } of rows) {
    const start = (head * targets + position) * sources;
    patches.units.forEach((source, patch) => {
      const byte = (layer.bytes[start + source] ?? 0) / 255;
      values[patch] = (values[patch] as number) + byte * byte * share;
    });
  }
  const scale = LONGER / Math.max(patches.size.width, patches.size.height);
  canvas.width = Math.max(1, Math.round(patches.size.width * scale));
  canvas.height = Math.max(1, Math.round(patches.size.height * scale));
  const context = canvas.getContext("2d");
  if (context) paint(context, canvas, patches, values, picture, theme);
}

/** Draws the head of a scene into a space, with its own proportions. */
export function paintPictured(
  canvas: HTMLCanvasElement,
  scene: Scene,
  { unitPatches, picture, unit }: Pictured,
  theme: Theme,
  space: Size,
): void {
  const { width, height } = unitPatches.size;
  const scale = Math.min(space.width / width, space.height / height);
  const size = { width: width * scale, height: height * scale };
  const context = prepareCanvas(canvas, size.width, size.height);
  // The head that is pointed at has the same units as the picked ones.
  const { values } = readRow(scene, unitPatches, unit);
  if (context) paint(context, size, unitPatches, values, picture, theme);
}

function paint(
  context: CanvasRenderingContext2D,
  size: Size,
  patches: Patches,
  values: Float32Array,
  picture: Picture | null,
  theme: Theme,
): void {
  const top = maximum(values);
  const onDark = picture?.dark ?? theme.dark;
  const whole = { picture, patches, values, kind: "weights" as const, top, opacity: OPACITY, onDark };
  paintWhole(canvasSurface(context), size, whole);
}
