// Saves the open view: a drawing of what is on the screen, or its numbers, exact where there is a kernel.
import type { Context } from "../core/context";
import { download, pngOf } from "../core/download";
import { errorText } from "../core/errands";
import { FONT_SIZE, page, type Style } from "../core/markup";
import { exactScene, sceneNames, shownScene } from "../core/saved";
import { csvText, jsonText, pharaohText } from "../core/scene_files";
import type { NumberFormat, Opened, Saved } from "../core/view";
import { createExportMenu, type Format } from "./menu";

const TYPES: Record<Format, string> = {
  png: "image/png",
  svg: "image/svg+xml",
  csv: "text/csv",
  spreadsheet: "text/csv",
  json: "application/json",
  pharaoh: "text/plain",
};

export function createExport(context: Context, opened: Opened): HTMLElement {
  const { store, hasKernel, errands, theme, root, signal } = context;
  const errand = errands.add({ quiet: true });

  async function save(format: Format): Promise<void> {
    try {
      const content = await fileOf(format);
      if (signal.aborted) return;
      const ending = format === "spreadsheet" ? "csv" : format;
      download(`attention-${store.get("sentence") + 1}.${ending}`, content, root);
      errand.settle(null);
    } catch (error) {
      if (!signal.aborted) errand.settle(`The view could not be saved: ${errorText(error)}`);
    }
  }

  async function fileOf(format: Format): Promise<Blob> {
    const { definition, view } = opened.value;
    const saved = definition.export(view, context);
    if (format === "png") return pngOf(await drawing(saved));
    const text =
      format === "svg"
        ? await drawing(saved)
        : format === "pharaoh"
          ? pharaohText(await exactScene(context, shownScene(context), { words: true, drop: "nothing" }))
          : ((await saved.numbers?.(format)) ?? (await weights(format)));
    return new Blob([text], { type: `${TYPES[format]};charset=utf-8` });
  }

  async function drawing(saved: Saved): Promise<string> {
    const style = styleOf();
    const sentence = store.get("info").sentences[store.get("sentence")];
    const title = [sentence?.name || sentence?.model || "Cross-attention", ...saved.title];
    return page(await saved.drawing(style), title.join(" · "), style);
  }

  function styleOf(): Style {
    const family = getComputedStyle(root).fontFamily;
    const context = document.createElement("canvas").getContext("2d");
    if (context) context.font = `${FONT_SIZE}px ${family}`;
    return {
      theme: theme.value,
      family,
      measure: (text) => context?.measureText(text).width ?? text.length * 7,
    };
  }

  /** The weights of the picked heads. */
  async function weights(format: NumberFormat): Promise<string> {
    const scene = await exactScene(context, shownScene(context));
    if (format !== "json") return csvText(scene, sceneNames(context, scene), format === "spreadsheet");
    return jsonText(scene, store.get("info").sentences[scene.spec.sentence], hasKernel.peek());
  }

  return createExportMenu({ save: (format) => void save(format) }, context);
}
