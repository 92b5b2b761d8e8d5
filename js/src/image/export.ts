// The view of a picture as a file: the picture with the weights of what is pinned, or a table of all words and patches.
import type { Context } from "../core/context";
import { type Cells, csv } from "../core/csv";
import type { Drawing, Style } from "../core/markup";
import type { Patches } from "../core/picture/patches";
import { exactScene, sceneNames, sceneTitle, shownScene } from "../core/saved";
import type { Scene } from "../core/scene";
import { svgSurface } from "../core/surface";
import type { Saved } from "../core/view";
import { paintLabeled } from "./boxes";
import type { ImageMounted } from "./controller";
import { paintGrid, paintHeat, paintPicture } from "./paint";
import { rowText } from "./shown";
import { viewportOf, WHOLE } from "./viewport";

const WIDTH = 1000;
const DENSITY = 2;
/** The height of the line that says where the word was read from. */
const NOTE = 28;

/** `view` is the view that `mountImage` returned. */
export function saveImage(view: ImageMounted, context: Context): Saved {
  const scene = shownScene(context);
  const shown = view.pinned(scene);
  return {
    title: sceneTitle(context, scene),
    drawing(style: Style): Drawing {
      const content = { ...view.content(scene), theme: style.theme };
      const at = viewportOf(content.patches.size, WIDTH, WHOLE);
      const place = { ...at, left: 0, top: 0, width: content.patches.size.width * at.scale };
      const surface = svgSurface(style);
      paintPicture(surface, content, place);
      paintHeat(surface, content, place, DENSITY, shown);
      paintGrid(surface, content, place, DENSITY);
      paintLabeled(surface, content, place, shown);
      const text = rowText(shown);
      surface.text(text, { x: 0, y: at.height + NOTE / 2 }, { color: style.theme.muted });
      return {
        width: Math.max(place.width, surface.measure(text)),
        height: at.height + NOTE,
        body: surface.markup(),
      };
    },
    async numbers(format) {
      if (format === "json") return null;
      const exact = await exactScene(context, scene);
      return patchTable(
        exact,
        view.source.patches(exact),
        sceneNames(context, exact),
        format === "spreadsheet",
      );
    },
  };
}

/** One line for each set of heads, target unit and source unit, with the box of the latter where it has a place. */
export function patchTable(
  scene: Scene,
  { ofUnit, rects }: Patches,
  names: readonly string[],
  spreadsheet: boolean,
): string {
  const width = scene.source.labels.length;
  const rows: Cells[] = [
    ["heads", "target", "target_token", "source", "source_label", "left", "top", "right", "bottom", "weight"],
  ];
  scene.sets.forEach((matrix, set) => {
    scene.target.labels.forEach((target, t) => {
      scene.source.labels.forEach((source, s) => {
        const rect = rects[ofUnit[s] ?? -1];
        const box = rect ? [rect.left, rect.top, rect.right, rect.bottom] : [null, null, null, null];
        rows.push([names[set] ?? "", t, target, s, source, ...box, matrix[t * width + s] ?? 0]);
      });
    });
  });
  return csv(rows, spreadsheet);
}
