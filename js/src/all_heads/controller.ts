// All heads as small pictures.
import { computed } from "@preact/signals-core";
import { kindAt } from "../core/axis";
import type { Context } from "../core/context";
import type { Axis } from "../core/contract";
import type { LayerWeights } from "../core/data";
import { errorText } from "../core/errands";
import { formatScore, headName } from "../core/format";
import { tag, text } from "../core/markup";
import { hasPlaces } from "../core/needs";
import { pickPatch, shapeOf } from "../core/picks";
import { createPictureSource } from "../core/picture/source";
import type { Scene } from "../core/scene";
import type { Theme } from "../core/theme";
import type { Saved, View } from "../core/view";
import { drawPictured, type Pictured, picturedOf } from "./pictured";
import { drawThumbnail } from "./thumbnail";
import { type AllHeadsView, createAllHeads } from "./view";

/** Draws one head of a layer into a canvas. */
type Draw = Parameters<AllHeadsView["provide"]>[3];

export interface AllHeadsMounted extends View {
  // For the export:
  pictured(): Pictured | null;
}

export function mountAllHeads(context: Context): AllHeadsMounted {
  const { store, loader, survey, gestures, active, theme, frames, signal } = context;
  const source = createPictureSource(context, () => store.get("panel") === "all");
  let last: { subject: unknown[]; pictured: Pictured } | null = null;
  /** What the heads of a picture are drawn over, and of which rows; null for other records. */
  const pictured = computed(() => picturedNow());
  const view = createAllHeads(
    {
      pick: gestures.pick,
      point: loader.preview.point,
      open: (head) => store.set({ ...pickPatch([head]), panel: firstView(loader.scene.value) }),
      need: (layer) => need(layer),
    },
    signal,
  );
  const need = createLayerQueue(context, view.provide, (reply, source) =>
    drawingOf(reply, source, pictured.value, theme.value),
  );

  /** A head with its value, as its thumbnail has it. */
  function title({ spec }: Scene): string {
    const [layer, head] = spec.heads[0] ?? [0, 0];
    const values = loader.scores.value?.values;
    const value = values ? ` · ${store.get("score_name")} ${formatScore(values[layer]?.[head])}` : "";
    return `${headName(layer, head)}${value}`;
  }
  frames.draw(() => {
    const isOpen = store.get("panel") === "all";
    const scene = isOpen ? loader.preview.pointed.value : null;
    const fade = store.get("special") === "fade";
    view.enlarge(scene && { scene, title: title(scene), fade, theme: theme.value, pictured: pictured.value });
  });

  return {
    element: view.element,
    pictured: () => pictured.value,
    title: "Every head as a small picture",
    showsEveryHead: true,
    previews: true,
    options: [],
    draw() {
      const sentence = store.get("sentence");
      view.show({
        ...shapeOf(store.get("info"), sentence),
        sentence,
        values: survey.grid.value.values,
        scoreName: survey.grid.value.name,
        picked: store.get("heads"),
        theme: theme.value,
        pictured: pictured.value,
      });
    },
  };

  /** The same object while nothing changes that is drawn: other picked heads have the same rows and patches. */
  function picturedNow(): Pictured | null {
    const scene = loader.picked.value;
    if (!scene || !hasPlaces(scene.reply.source)) return null;
    const pin = active.pinned();
    const image = store.get("info").sentences[scene.spec.sentence]?.image ?? null;
    const unit = pin?.side === "target" ? pin.unit : null;
    const subject = [scene.source, scene.target, unit, image, source.picture.value, scene.spec.divided];
    if (!last || subject.some((part, i) => part !== last?.subject[i]))
      last = { subject, pictured: picturedOf(scene, unit, image, source.picture.value) };
    return last.pictured;
  }
}

/** How the heads of a layer are drawn: over the picture, or as matrices. */
function drawingOf(reply: LayerWeights, source: Axis, pictured: Pictured | null, theme: Theme): Draw {
  if (pictured) return (canvas, head) => drawPictured(canvas, reply, head, pictured, theme);
  return (canvas, head) => drawThumbnail(canvas, reply, head, theme, heardLength(source));
}

/** Requests one layer at a time: a large model has more than the kernel should send at once. */
function createLayerQueue(
  { data, store, loader, errands, signal }: Context,
  provide: AllHeadsView["provide"],
  drawing: (reply: LayerWeights, source: Axis) => Draw,
): (layer: number) => void {
  const wanted: number[] = [];
  let busy = false;
  /** What was requested when a request failed. */
  let lost: number[] = [];
  const errand = errands.add({ retry: () => lost.splice(0).forEach(need) });

  async function work(): Promise<void> {
    if (busy) return;
    busy = true;
    while (wanted.length > 0 && !signal.aborted) {
      const layer = wanted.shift() ?? 0;
      const sentence = store.get("sentence");
      try {
        const [reply, { source }] = await Promise.all([
          data.layer(sentence, layer, showsDivided(loader, sentence)),
          data.sentence(sentence),
        ]);
        if (signal.aborted) break;
        provide(sentence, layer, reply, drawing(reply, source));
        errand.settle(null);
      } catch (error) {
        lost = [layer, ...wanted.splice(0)];
        if (!signal.aborted) errand.settle(`A layer could not be loaded: ${errorText(error)}`);
      }
    }
    busy = false;
  }

  function need(layer: number): void {
    if (!wanted.includes(layer)) wanted.push(layer);
    void work();
  }
  return need;
}

/** Whether the loaded weights of a sentence are divided by the sinks. */
function showsDivided({ picked }: Context["loader"], sentence: number): boolean {
  const spec = picked.peek()?.spec;
  return spec?.sentence === sentence && spec.divided;
}

/** The view in which a record of this kind opens. */
function firstView(scene: Scene | null): string {
  if (scene?.source.kinds.includes("audio")) return "sound";
  return scene && hasPlaces(scene.reply.source) ? "image" : "lines";
}

/** How many positions come before the part after the end of a sound, which is not drawn; all where there is none. */
function heardLength(source: Axis): number {
  let length = source.labels.length;
  while (length > 1 && source.special[length - 1] && kindAt(source, length - 1) === "audio") length--;
  return length;
}

const SIZE = 96;
const GAP = 8;
const CAPTION = 14;

export function saveAllHeads(view: AllHeadsMounted, { store, data, loader }: Context): Saved {
  const sentence = store.get("sentence");
  const { layers, heads } = shapeOf(store.get("info"), sentence);
  return {
    title: ["all heads"],
    async drawing({ theme }) {
      let body = "";
      const { source } = await data.sentence(sentence);
      // One layer after another: a large model has more than should be in memory at once.
      for (let layer = 0; layer < layers; layer++) {
        const weights = await data.layer(sentence, layer, showsDivided(loader, sentence));
        for (let head = 0; head < heads; head++) {
          const [x, y] = [head * (SIZE + GAP), layer * (SIZE + GAP + CAPTION)];
          const box = { x, y, width: SIZE, height: SIZE };
          if (!weights.missing?.includes(head)) {
            const canvas = document.createElement("canvas");
            drawingOf(weights, source, view.pictured(), theme)(canvas, head);
            // A picture keeps its proportions; a matrix fills its box.
            const fit = view.pictured() ? "xMidYMid" : "none";
            body += tag("image", { ...box, preserveAspectRatio: fit, href: canvas.toDataURL("image/png") });
          }
          body += tag("rect", { ...box, fill: "none", stroke: theme.muted, "stroke-width": 0.5 });
          body += text("text", { x, y: y + SIZE + 12, "font-size": 10 }, `L${layer} H${head}`);
        }
      }
      return { width: heads * (SIZE + GAP) - GAP, height: layers * (SIZE + GAP + CAPTION), body };
    },
  };
}
