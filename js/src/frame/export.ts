// Saves the shown view: a drawing of what is on the screen, or its numbers, exact where there is a kernel.

import { differenceOf } from "../compare/difference";
import { download, pngOf } from "../core/download";
import { compareCsv, csvText, jsonText, pharaohText, scoresCsv, scoresJson } from "../core/files";
import { headName, headsName } from "../core/format";
import { differenceCells, referenceMarks, weightCells } from "../core/heat/cells";
import { drawHeat } from "../core/heat/drawing";
import { errorText } from "../core/loader";
import { beside, type Drawing, page, type Style, tag, text } from "../core/markup";
import { shapeOf } from "../core/picks";
import { buildScene, type Scene } from "../core/scene";
import { maximum } from "../core/units";
import { type Context, filterOf } from "../core/view";
import { drawLines } from "../lines/drawing";
import { createExportMenu, type Format } from "./menu";

export interface ExportEvents {
  /** The root of the panel: files take its font. */
  root(): HTMLElement;
  /** The shown view's own element, for views that are drawings already. */
  view(): HTMLElement;
  /** Draws the small pictures that nobody has looked at yet. */
  thumbnails(): Promise<void>;
}

const TYPES: Record<Format, string> = {
  png: "image/png",
  svg: "image/svg+xml",
  csv: "text/csv",
  spreadsheet: "text/csv",
  json: "application/json",
  pharaoh: "text/plain",
};

export function createExport(context: Context, events: ExportEvents): HTMLElement {
  const { store, data, loader, theme, colors, id, signal } = context;
  const menu = createExportMenu({ save: (format) => void save(format) }, id, signal);

  async function save(format: Format): Promise<void> {
    try {
      const made = format === "png" || format === "svg" ? await drawing() : await numbers(format);
      const content =
        format === "png" ? await pngOf(made) : new Blob([made], { type: `${TYPES[format]};charset=utf-8` });
      if (signal.aborted) return;
      const ending = format === "spreadsheet" ? "csv" : format;
      download(`attention-${store.get("sentence") + 1}.${ending}`, content, events.root());
      loader.settle("export", null);
    } catch (error) {
      if (!signal.aborted) loader.settle("export", `The view could not be saved: ${errorText(error)}`);
    }
  }

  function shown(): Scene {
    if (!loader.scene) throw new Error("there are no weights yet");
    return loader.scene;
  }

  function names(scene: Scene): string[] {
    const { heads, aggregate, sentence } = scene.spec;
    const whole = shapeOf(store.get("info"), sentence).heads;
    return scene.aggregated ? [headsName(heads, aggregate, whole)] : heads.map((head) => headName(...head));
  }

  function style(): Style {
    const family = getComputedStyle(events.root()).fontFamily;
    const context = document.createElement("canvas").getContext("2d");
    if (context) context.font = `12px ${family}`;
    return {
      theme: theme(),
      family,
      measure: (text) => context?.measureText(text).width ?? text.length * 7,
    };
  }

  async function drawing(): Promise<string> {
    const panel = store.get("panel");
    const looks = style();
    const sentence = store.get("info").sentences[store.get("sentence")];
    const title = [sentence?.name || sentence?.model || "Cross-attention"];
    let made: Drawing;
    if (panel === "scores") {
      made = copied();
      title.push(`${store.get("score_name")} of every head`);
    } else if (panel === "all") {
      await events.thumbnails();
      made = thumbnails(looks);
      title.push("all heads");
    } else if (panel === "compare") made = compared(looks);
    else {
      const scene = shown();
      title.push(
        names(scene).join("; "),
        `rows by the token ${scene.spec.reading === "output" ? "predicted" : "read"}`,
      );
      made =
        panel === "lines"
          ? drawLines(scene, store.get("orientation"), filterOf(store), colors(), looks)
          : drawHeat(
              scene.source,
              scene.target,
              weightCells(scene.aggregate, scene.top, looks.theme),
              referenceMarks(scene),
              looks,
            );
    }
    return page(made, title.join(" · "), looks);
  }

  function compared(looks: Style): Drawing {
    const [first, second] = [shown(), loader.other];
    if (!second) throw new Error("there is nothing to compare with yet");
    const top = Math.max(maximum(first.aggregate), maximum(second.aggregate));
    const parts = [first, second].map((scene, index) => ({
      drawing: drawHeat(
        scene.source,
        scene.target,
        weightCells(scene.aggregate, top, looks.theme),
        [],
        looks,
      ),
      heading: `${"AB"[index]}: ${names(scene).join("; ")}`,
    }));
    const difference = differenceOf(first, second);
    if (difference) {
      const cells = differenceCells(difference.values, difference.top, looks.theme);
      parts.push({
        drawing: drawHeat(difference.source, difference.target, cells, [], looks),
        heading: "A − B (blue: more in A)",
      });
    }
    return beside(parts, looks.theme);
  }

  /** The scatter is a drawing already: its looks, which come from the page's style, are written into it. */
  function copied(): Drawing {
    const plot = events.view().querySelector("svg");
    if (!plot || plot.childElementCount === 0) throw new Error("the scores are not there yet");
    const { width, height } = plot.viewBox.baseVal;
    const body = [...plot.children].map((element) => {
      const attrs = Object.fromEntries([...element.attributes].map(({ name, value }) => [name, value]));
      const computed = getComputedStyle(element);
      const kept = ["x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "transform", "text-anchor"];
      const look = {
        ...Object.fromEntries(kept.flatMap((name) => (name in attrs ? [[name, attrs[name] ?? ""]] : []))),
        fill: computed.fill,
        stroke: computed.stroke,
        "font-size": computed.fontSize,
      };
      return element.textContent
        ? text(element.tagName, look, element.textContent)
        : tag(element.tagName, look);
    });
    return { width: width || 420, height: height || 300, body: body.join("") };
  }

  function thumbnails(looks: Style): Drawing {
    const { heads } = shapeOf(store.get("info"), store.get("sentence"));
    const [size, gap] = [96, 8];
    const body = [...events.view().querySelectorAll("canvas")].map((canvas, index) => {
      const [layer, head] = [Math.floor(index / heads), index % heads];
      const [x, y] = [head * (size + gap), layer * (size + gap + 14)];
      const picture = tag("image", { x, y, width: size, height: size, href: canvas.toDataURL("image/png") });
      const name = text("text", { x, y: y + size + 12, "font-size": 10 }, `L${layer} H${head}`);
      const frame = { x, y, width: size, height: size, fill: "none", stroke: looks.theme.muted };
      return picture + tag("rect", { ...frame, "stroke-width": 0.5 }) + name;
    });
    const { layers } = shapeOf(store.get("info"), store.get("sentence"));
    return { width: heads * (size + gap) - gap, height: layers * (size + gap + 14), body: body.join("") };
  }

  async function numbers(format: Exclude<Format, "png" | "svg">): Promise<string> {
    const panel = store.get("panel");
    const sheet = format === "spreadsheet";
    const table = format === "csv" || sheet;
    if (panel === "scores" && format !== "pharaoh") {
      const scores = store.get("score_list");
      const { grids, failures } = loader;
      if (scores.some(({ name }) => !grids.has(name) && !failures.has(name)))
        throw new Error("some scores are still being computed; save again when they are there");
      return table ? scoresCsv(scores, grids, sheet) : scoresJson(scores, grids, failures);
    }
    const exact = store.get("info").live;
    const again = (scene: Scene, change = {}) =>
      buildScene(data, { ...scene.spec, ...change }, signal, () => {}, exact);
    const scene = shown();
    if (format === "pharaoh") return pharaohText(await again(scene, { words: true, drop: false }));
    if (panel === "compare" && table && loader.other) {
      const [first, second] = [await again(scene), await again(loader.other)];
      const difference = differenceOf(first, second);
      const both = [names(first).join("; "), names(second).join("; ")];
      if (difference) return compareCsv(first, second, difference, both, sheet);
    }
    const whole = await again(scene);
    if (table) return csvText(whole, names(whole), sheet);
    return jsonText(whole, store.get("info").sentences[scene.spec.sentence], exact);
  }

  return menu;
}
