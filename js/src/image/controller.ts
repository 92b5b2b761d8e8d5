// The view of a picture: where each word was read from, and which words read a part of the picture.
import { computed, signal, untracked } from "@preact/signals-core";
import type { Context } from "../core/context";
import { claim } from "../core/keyboard";
import { neighborOf, type Patches, patchAt, patchesIn, type Rect } from "../core/picture/patches";
import { type Regions, regionsOf } from "../core/picture/regions";
import {
  countedUnits,
  fewest,
  leastOf,
  type Row,
  readersOf,
  readRow,
  strongestOf,
} from "../core/picture/rows";
import { createPictureSource, type PictureSource } from "../core/picture/source";
import { type Scene, unitName } from "../core/scene";
import type { View } from "../core/view";
import type { ImageContent, ImageMarks } from "./content";
import { imageMove } from "./keys";
import { isDark } from "./paint";
import { followPicture } from "./pointer";
import { boxText, readersText, wordName, wordText } from "./says";
import { createImageView } from "./view";
import { panned, pixelAt, WHOLE, withInSight, type Zoom, zoomAt } from "./viewport";

/** The name of the view in the registry. */
const NAME = "image";
/** A picture that is wider than so many times its height has its words below it. */
const WIDE = 2.2;
/** The share of the weight that the outline holds. */
const HALF = 0.5;
/** Pixels by which a key moves the shown part. */
const STEP = 60;
/** Whoever passes over words is not told of each. */
const SPEAK_DELAY = 400;

type Pointed = { word: number } | { patch: number };

/** What the picture shows: the row, what is outlined of it, and the part that is asked about. */
export interface Shown {
  scene: Scene;
  patches: Patches;
  /** The target unit whose weights are drawn; null for the mean. */
  unit: number | null;
  row: Row;
  /** The patches that are asked about; null where none is. */
  chosen: number[] | null;
  readers: Float32Array | null;
  text: string;
}

export interface ImageMounted extends View {
  // For the export:
  source: PictureSource;
  content(scene: Scene): ImageContent;
  marks(shown: Shown): ImageMarks;
  /** The scene with what is pinned, not what is pointed at. */
  pinned(scene: Scene): Shown;
}

export function mountImage(context: Context): ImageMounted {
  const { store, loader, active, gestures, theme, size, frames, spoken, signal: closing } = context;
  const isOpen = () => store.get("panel") === NAME;
  const source = createPictureSource(context, isOpen);
  const pointed = signal<Pointed | null>(null);
  /** The box that was dragged, in pixels of the picture. */
  const selection = signal<Rect | null>(null);
  const zoom = signal<Zoom>(WHOLE);
  const patchesNow = () => loader.scene.value && source.patches(loader.scene.value);

  /** The same object while pointing changes nothing, so that nothing is painted again. */
  const shown = computed(() => {
    const scene = isOpen() ? loader.scene.value : null;
    return scene && describe(scene, pointed.value, selection.value);
  });

  function describe(scene: Scene, at: Pointed | null, box: Rect | null): Shown {
    const patches = source.patches(scene);
    const pin = active.pinned();
    const pinnedPatch = pin?.side === "source" ? (patches.ofUnit[pin.unit] ?? -1) : -1;
    const word = at && "word" in at ? at.word : pin?.side === "target" ? pin.unit : null;
    const unit = word !== null && word < scene.target.labels.length ? word : null;
    const row = readRow(scene, patches, unit);
    let [chosen, name] = [null as number[] | null, ""];
    const patch = at && "patch" in at ? at.patch : at ? -1 : box ? -1 : pinnedPatch;
    const rect = patches.rects[patch];
    if (rect) [chosen, name] = [[patch], `The patch ${boxText(rect)} px`];
    else if (box && !at) [chosen, name] = [patchesIn(patches, box), `The box ${boxText(box)} px`];
    const readers = chosen && readersOf(scene, patches, chosen);
    const text = readers
      ? readersText(name, readers, scene.target.labels, unitName(scene))
      : wordText(nameOf(scene, unit), {
          row,
          strongest: strongestOf(row, patches, fewest(row, HALF)),
          dropped: unit === null ? null : (scene.dropped?.[unit] ?? null),
          drop: scene.spec.drop,
        });
    return { scene, patches, unit, row, chosen, readers, text };
  }

  function nameOf(scene: Scene, unit: number | null): string {
    if (unit !== null) return wordName(scene.target.labels[unit] ?? "");
    const count = countedUnits(scene).length;
    return count === 1
      ? wordName(scene.target.labels[countedUnits(scene)[0] ?? 0] ?? "")
      : `The mean of ${count} ${unitName(scene, count)}`;
  }

  /** The smallest weight that is drawn, by the setting that other views keep lines by. */
  function leastDrawn(row: Row): number {
    const keep = store.get("keep");
    if (keep === "threshold") return store.get("threshold");
    if (keep === "mass") return leastOf(row, store.get("mass"));
    if (keep === "top")
      return (
        row.values
          .slice()
          .sort()
          .at(-Math.min(row.values.length, store.get("top_k"))) ?? 0
      );
    return 0;
  }

  function outlinedOf({ row, patches }: Shown): Regions {
    const outline = store.get("image_outline");
    if (outline === "none" || !(row.top > 0)) return { regions: [], edges: [] };
    const chosen = outline === "half" ? fewest(row, HALF) : [row.values.indexOf(row.top)];
    return regionsOf(chosen.map((patch) => patches.rects[patch] as Rect));
  }

  function marks(now: Shown): ImageMarks {
    const { chosen, patches } = now;
    return {
      row: now.row,
      least: leastDrawn(now.row),
      outlined: outlinedOf(now),
      chosen: chosen?.length === 1 ? chosen.map((patch) => patches.rects[patch] as Rect) : [],
      selection: selection.value,
    };
  }

  function content(scene: Scene): ImageContent {
    return {
      picture: source.picture.value,
      patches: source.patches(scene),
      grid: store.get("image_grid"),
      opacity: store.get("image_opacity"),
      outline: store.get("image_outline"),
      theme: theme.value,
    };
  }

  function leave(): void {
    if (selection.value) selection.value = null;
    else {
      pointed.value = null;
      active.unpin();
    }
  }

  function togglePatch(patch: number): void {
    const unit = patchesNow()?.units[patch];
    if (unit !== undefined) active.toggle({ side: "source", unit });
  }

  const zoomBy = (factor: number, x?: number, y?: number) => {
    const [at, patches] = [view.pane.view(), patchesNow()];
    if (at && patches)
      zoom.value = zoomAt(at, patches.size, zoom.value, factor, x ?? at.width / 2, y ?? at.height / 2);
  };
  const panBy = (dx: number, dy: number) => {
    const [at, patches] = [view.pane.view(), patchesNow()];
    if (at && patches) zoom.value = panned(at, patches.size, zoom.value, dx, dy);
  };
  const showWhole = () => {
    zoom.value = WHOLE;
  };

  const view = createImageView(
    {
      opacity: (image_opacity) => store.set({ image_opacity }),
      outline: (image_outline) => store.set({ image_outline }),
      grid: (image_grid) => store.set({ image_grid }),
      zoom: zoomBy,
      whole: showWhole,
    },
    {
      point(unit) {
        pointed.value = unit === null ? null : { word: unit };
      },
      pin: (unit) => active.toggle({ side: "target", unit }),
      leave,
      layer: gestures.stepLayer,
    },
    closing,
  );
  const { pane, words } = view;

  const pixel = (x: number, y: number): [number, number] => {
    const at = pane.view();
    return at ? pixelAt(at, x, y) : [-1, -1];
  };
  const patchUnder = (x: number, y: number) => {
    const patches = patchesNow();
    return patches ? patchAt(patches, ...pixel(x, y)) : -1;
  };
  followPicture(
    pane.element,
    {
      point(at) {
        const patch = at ? patchUnder(...at) : -1;
        const before = pointed.value;
        if (before && "patch" in before && before.patch === patch) return;
        pointed.value = patch >= 0 ? { patch } : null;
      },
      click(x, y) {
        const patch = patchUnder(x, y);
        if (selection.value) selection.value = null;
        else if (patch >= 0) togglePatch(patch);
      },
      select(from, to) {
        const patches = patchesNow();
        if (!patches) return;
        const { width, height } = patches.size;
        const [[ax, ay], [bx, by]] = [pixel(...from), pixel(...to)];
        const inside = (value: number, most: number) => Math.max(0, Math.min(most, value));
        pointed.value = null;
        selection.value = {
          left: inside(Math.min(ax, bx), width),
          top: inside(Math.min(ay, by), height),
          right: inside(Math.max(ax, bx), width),
          bottom: inside(Math.max(ay, by), height),
        };
      },
      pan: panBy,
      zoom: zoomBy,
      pans: () => zoom.value.factor > 1,
    },
    closing,
  );

  function walk(by: readonly [number, number]): void {
    const [now, at] = [shown.value, pane.view()];
    if (!now || !at) return;
    const { patches, row, chosen } = now;
    // The walk begins at the strongest patch.
    const patch =
      chosen?.length === 1 ? neighborOf(patches, chosen[0] ?? 0, by) : row.values.indexOf(row.top);
    pointed.value = patch < 0 ? null : { patch };
    const rect = patches.rects[patch];
    if (rect) zoom.value = withInSight(at, patches.size, zoom.value, rect);
  }
  pane.element.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const move = imageMove(event.key, event.shiftKey);
      if (!move) return;
      claim(event);
      const chosen = shown.value?.chosen;
      if (move.kind === "walk") walk(move.by);
      else if (move.kind === "pan") panBy(STEP * move.by[0], STEP * move.by[1]);
      else if (move.kind === "zoom") zoomBy(move.factor);
      else if (move.kind === "whole") showWhole();
      else if (move.kind === "layer") gestures.stepLayer(move.by);
      else if (move.kind === "leave") leave();
      else if (chosen?.length === 1) togglePatch(chosen[0] ?? -1);
    },
    { signal: closing },
  );
  pane.element.addEventListener(
    "blur",
    () => {
      pointed.value = null;
    },
    { signal: closing },
  );

  let speaking: ReturnType<typeof setTimeout> | undefined;
  closing.addEventListener("abort", () => clearTimeout(speaking), { once: true });
  frames.draw(mark);
  let shownRecord = "";
  frames.watch(() => {
    const sentence = store.get("sentence");
    const key = `${sentence} ${store.get("info").sentences[sentence]?.version}`;
    if (key === shownRecord) return;
    shownRecord = key;
    selection.value = null;
    pointed.value = null;
    zoom.value = WHOLE;
  });

  return {
    element: view.element,
    source,
    content,
    marks,
    pinned: (scene) => describe(scene, null, null),
    title: "The picture, and which part of it each word was read from",
    hint: "Point at a word to see where it was read from, or at the picture to see which words read it. Click pins, a drag selects a box, Ctrl + wheel zooms.",
    readsOut: true,
    previews: true,
    combines: true,
    keeps: "patches",
    options: ["words", "special", "reading", "aggregate", "keep"],
    draw() {
      void size.value;
      const scene = loader.scene.value;
      if (!scene) return;
      const now = content(scene);
      const { width, height } = now.patches.size;
      view.stack(width > WIDE * height);
      view.bar.show({
        opacity: now.opacity,
        outline: now.outline,
        grid: now.grid,
        factor: zoom.value.factor,
      });
      words.show(scene.target, store.get("special") === "fade");
      pane.element.classList.toggle("xattn-zoomed", zoom.value.factor > 1);
      pane.show(now, zoom.value);
      // What is marked changes with every move of the pointer: the picture is not to be drawn again for that.
      untracked(mark);
    },
    reveal(pin) {
      if (pin?.side === "target") words.reveal(pin.unit);
    },
  };

  function mark(): void {
    const now = shown.value;
    if (!now) return;
    const pin = active.pinned();
    pane.mark(marks(now));
    words.mark({
      shown: now.unit ?? -1,
      pinned: pin?.side === "target" ? pin.unit : -1,
      readers: now.readers,
    });
    view.say(now.text);
    view.foot(now.row.top, isDark(content(now.scene)), source.missing.value);
    clearTimeout(speaking);
    if (!pointed.value && !selection.value) return;
    speaking = setTimeout(() => {
      spoken.value = now.text;
    }, SPEAK_DELAY);
  }
}
