// All heads as small pictures.
import { kindAt } from "../core/axis";
import type { Context } from "../core/context";
import type { Axis } from "../core/contract";
import { errorText } from "../core/errands";
import { formatScore, headName } from "../core/format";
import { tag, text } from "../core/markup";
import { pickPatch, shapeOf } from "../core/picks";
import type { Scene } from "../core/scene";
import type { Saved, View } from "../core/view";
import { drawThumbnail } from "./thumbnail";
import { type AllHeadsView, createAllHeads } from "./view";

export function mountAllHeads(context: Context): View {
  const { store, loader, survey, gestures, theme, frames, signal } = context;
  const view = createAllHeads(
    {
      pick: gestures.pick,
      point: loader.preview.point,
      open: (head) =>
        store.set({ ...pickPatch([head]), panel: isSound(loader.scene.value) ? "sound" : "lines" }),
      need: (layer) => need(layer),
    },
    signal,
  );
  const need = createLayerQueue(context, view.provide);

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
    view.enlarge(scene && { scene, title: title(scene), fade, theme: theme.value });
  });

  return {
    element: view.element,
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
      });
    },
  };
}

/** Requests one layer at a time: a large model has more than the kernel should send at once. */
function createLayerQueue(
  { data, store, errands, signal }: Context,
  provide: AllHeadsView["provide"],
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
        const [reply, { source }] = await Promise.all([data.layer(sentence, layer), data.sentence(sentence)]);
        if (signal.aborted) break;
        provide(sentence, layer, reply, heardLength(source));
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

function isSound(scene: Scene | null): boolean {
  return scene?.source.kinds.includes("audio") ?? false;
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

export function saveAllHeads(_view: View, { store, data }: Context): Saved {
  const sentence = store.get("sentence");
  const { layers, heads } = shapeOf(store.get("info"), sentence);
  return {
    title: ["all heads"],
    async drawing({ theme }) {
      let body = "";
      const { source } = await data.sentence(sentence);
      // One layer after another: a large model has more than should be in memory at once.
      for (let layer = 0; layer < layers; layer++) {
        const weights = await data.layer(sentence, layer);
        for (let head = 0; head < heads; head++) {
          const [x, y] = [head * (SIZE + GAP), layer * (SIZE + GAP + CAPTION)];
          const box = { x, y, width: SIZE, height: SIZE };
          if (!weights.missing?.includes(head)) {
            const canvas = document.createElement("canvas");
            drawThumbnail(canvas, weights, head, theme, heardLength(source));
            body += tag("image", { ...box, href: canvas.toDataURL("image/png") });
          }
          body += tag("rect", { ...box, fill: "none", stroke: theme.muted, "stroke-width": 0.5 });
          body += text("text", { x, y: y + SIZE + 12, "font-size": 10 }, `L${layer} H${head}`);
        }
      }
      return { width: heads * (SIZE + GAP) - GAP, height: layers * (SIZE + GAP + CAPTION), body };
    },
  };
}
