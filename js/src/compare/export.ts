// The comparison as files: three maps side by side, and one line for each pair of shared tokens.
import type { Context } from "../core/context";
import { type Cells, csv } from "../core/csv";
import { tokenText } from "../core/format";
import { differenceCells, sceneCells } from "../core/heat/cells";
import { drawHeat } from "../core/heat/drawing";
import { beside, type Drawing, type Style } from "../core/markup";
import { paintWhole } from "../core/picture/whole";
import { exactScene, sceneNames, shownScene } from "../core/saved";
import type { Scene } from "../core/scene";
import { svgSurface } from "../core/surface";
import { maximum } from "../core/units";
import type { Saved } from "../core/view";
import type { CompareView } from "./controller";
import { type Difference, differenceOf } from "./difference";
import type { Pictured } from "./pictured";
import { wholeOf } from "./pictures";

/** The longer side of a picture. */
const SIDE = 420;

export function saveCompare({ second, pictured }: CompareView, context: Context): Saved {
  return {
    title: [],
    drawing: (style) => {
      if (!second.value) throw new Error("there is nothing to compare with yet");
      const scenes = [shownScene(context), second.value] as const;
      const over = pictured(...scenes);
      return over ? drawPictures(context, scenes, over, style) : drawCompare(context, ...scenes, style);
    },
    async numbers(format) {
      if (format === "json" || !second.value) return null;
      const scenes = [
        await exactScene(context, shownScene(context)),
        await exactScene(context, second.value),
      ] as const;
      const difference = differenceOf(...scenes);
      const names = scenes.map((scene) => sceneNames(context, scene).join("; "));
      return difference && compareCsv(...scenes, difference, names, format === "spreadsheet");
    },
  };
}

function drawCompare(context: Context, first: Scene, second: Scene, style: Style): Drawing {
  const { theme } = style;
  const top = Math.max(maximum(first.aggregate), maximum(second.aggregate));
  const parts = [first, second].map((scene, index) => ({
    drawing: drawHeat({ ...scene, cells: sceneCells(scene, top, theme), marks: [] }, style),
    heading: `${"AB"[index]}: ${sceneNames(context, scene).join("; ")}`,
  }));
  const difference = differenceOf(first, second);
  if (difference) {
    const cells = differenceCells(difference.values, difference.top, theme);
    parts.push({
      drawing: drawHeat({ ...difference, cells, marks: [] }, style),
      heading: "A − B (blue: more in A)",
    });
  }
  return beside(parts, theme);
}

function drawPictures(
  context: Context,
  scenes: readonly [Scene, Scene],
  over: Pictured,
  style: Style,
): Drawing {
  const word = over.unit === null ? "mean of all words" : tokenText(scenes[0].target.labels[over.unit] ?? "");
  const names = scenes.map(
    (scene, index) => `${"AB"[index]}: ${sceneNames(context, scene).join("; ")} · ${word}`,
  );
  const headings = [...names, "A − B (blue: more in A)"];
  const parts = headings.flatMap((heading, index) => {
    const whole = wholeOf(over, index, context.store.get("image_opacity"), style.theme);
    if (!whole) return [];
    const { width, height } = whole.patches.size;
    const size = { width: SIDE * Math.min(1, width / height), height: SIDE * Math.min(1, height / width) };
    const surface = svgSurface(style);
    paintWhole(surface, size, whole);
    surface.frame({ x: 0, y: 0, ...size }, { color: style.theme.muted, width: 0.5 });
    return [{ heading, drawing: { ...size, body: surface.markup() } }];
  });
  return beside(parts, style.theme);
}

/** One line for each pair of tokens that both sides have, with both weights and their difference. */
export function compareCsv(
  first: Scene,
  second: Scene,
  difference: Difference,
  names: readonly string[],
  spreadsheet = false,
): string {
  const { source, target } = difference;
  const weight = (scene: Scene, t: number, s: number) =>
    scene.aggregate[t * scene.source.labels.length + s] ?? 0;
  const rows: Cells[] = [["target_token", "source_token", `A: ${names[0]}`, `B: ${names[1]}`, "A - B"]];
  target.labels.forEach((to, t) => {
    source.labels.forEach((from, s) => {
      const a = weight(first, difference.first.target[t] ?? 0, difference.first.source[s] ?? 0);
      const b = weight(second, difference.second.target[t] ?? 0, difference.second.source[s] ?? 0);
      rows.push([to, from, a, b, a - b]);
    });
  });
  return csv(rows, spreadsheet);
}
