// What the picture shows: the weights of one word, or the mean of all, and the part of it that is asked about.
import type { ImageOutline } from "../core/contract";
import { fewest, leastOf } from "../core/fewest";
import { type Patches, patchesIn, type Rect } from "../core/picture/patches";
import { type Regions, regionsOf } from "../core/picture/regions";
import {
  countedUnits,
  type Row,
  readersOf,
  readRow,
  type Strongest,
  strongestOf,
} from "../core/picture/rows";
import { type Scene, unitName } from "../core/scene";
import type { Store } from "../core/store";
import { type ReferenceShown, referenceShown } from "./reference";
import { agreementText, boxText, meanText, readersText, wordName, wordText } from "./says";

/** The share of the weight in the picture that the outline holds. */
const HALF = 0.5;
/** An outline of more lines, as of weights that are spread over everything, would hide the picture. */
const MOST_LINES = 100;
/** More boxes, of weights that are as scattered, would too. */
const MOST_BOXES = MOST_LINES / 4;
const NOTHING: Regions = { regions: [], edges: [] };

/** The weights that are drawn. */
export interface ShownRow {
  scene: Scene;
  patches: Patches;
  /** The target unit; null for the mean of all words. */
  unit: number | null;
  row: Row;
  strongest: Strongest | null;
  /** Smaller weights are not drawn. */
  least: number;
  outlined: Regions;
  /** The boxes around what is outlined, where they are drawn instead. */
  boxes: readonly Rect[];
  /** What the boxes are labeled with; "" for the mean of several words. */
  label: string;
  /** Null where there is none, or it is switched off. */
  reference: ReferenceShown | null;
}

/** The part of the picture that is asked about, and which words read it. */
export interface Asked {
  /** One patch, or those in a box. */
  patches: readonly number[];
  readers: Float32Array;
  text: string;
}

export function showRow(scene: Scene, patches: Patches, unit: number | null, store: Store): ShownRow {
  const row = readRow(scene, patches, unit);
  const half = fewest(row.values, HALF);
  const around = regionsOf(half.map((patch) => patches.rects[patch] as Rect)).regions.map(({ box }) => box);
  const outline = store.get("image_outline");
  return {
    scene,
    patches,
    unit,
    row,
    strongest: strongestOf(row, patches, half),
    least: leastDrawn(row, store),
    outlined: outlinedOf(row, patches, half, outline),
    boxes: outline === "boxes" && around.length <= MOST_BOXES ? around : [],
    label: unit === null ? "" : (scene.target.labels[unit] ?? ""),
    reference: store.get("image_reference") ? referenceShown(scene, unit, around) : null,
  };
}

/** The smallest weight that is drawn, by the setting by which other views keep lines. */
function leastDrawn(row: Row, store: Store): number {
  switch (store.get("keep")) {
    case "threshold":
      return store.get("threshold");
    case "mass":
      return leastOf(row.values, store.get("mass"));
    case "top":
      return (
        row.values
          .slice()
          .sort()
          .at(-Math.min(row.values.length, store.get("top_k"))) ?? 0
      );
    default:
      return 0;
  }
}

function outlinedOf(row: Row, { rects }: Patches, half: readonly number[], outline: ImageOutline): Regions {
  if (outline === "none" || outline === "boxes" || !(row.top > 0)) return NOTHING;
  const chosen = outline === "half" ? half : [row.values.indexOf(row.top)];
  const regions = regionsOf(chosen.map((patch) => rects[patch] as Rect));
  return regions.edges.length > MOST_LINES ? NOTHING : regions;
}

/** Where the word was read from, or how much of the mean of all. */
export function rowText({ scene, unit, row, strongest, reference }: ShownRow): string {
  const units = unit === null ? countedUnits(scene) : [unit];
  if (units.length > 1) return meanText(`The mean of ${units.length} ${unitName(scene, units.length)}`, row);
  const dropped = unit === null ? null : (scene.dropped?.[unit] ?? null);
  const name = wordName(scene.target.labels[units[0] ?? 0] ?? "");
  const text = wordText(name, { row, strongest, dropped, drop: scene.spec.drop });
  return [text, ...(reference?.agreement ?? []).map(agreementText)].join(" · ");
}

/** What is asked of one patch. */
export function askPatch(scene: Scene, patches: Patches, patch: number): Asked | null {
  const rect = patches.rects[patch];
  return rect ? ask(scene, patches, [patch], `The patch ${boxText(rect)} px`) : null;
}

/** What is asked of a box in pixels of the picture. */
export function askBox(scene: Scene, patches: Patches, box: Rect): Asked {
  return ask(scene, patches, patchesIn(patches, box), `The box ${boxText(box)} px`);
}

function ask(scene: Scene, patches: Patches, chosen: readonly number[], name: string): Asked {
  const readers = readersOf(scene, patches, chosen);
  const text = readersText(name, readers, scene.target.labels, unitName(scene));
  return { patches: chosen, readers, text };
}
