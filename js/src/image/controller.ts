// The view of a picture: where each word was read from, and which words read a part of the picture.
import { computed, signal, untracked } from "@preact/signals-core";
import type { Context } from "../core/context";
import { sinksOf } from "../core/dividing";
import { claim } from "../core/keyboard";
import { neighborOf, patchAt, type Rect } from "../core/picture/patches";
import { createPictureSource, type PictureSource } from "../core/picture/source";
import { onRecordChange } from "../core/record_change";
import type { Scene } from "../core/scene";
import type { View } from "../core/view";
import type { ImageContent } from "./content";
import { imageMove } from "./keys";
import { isDark } from "./paint";
import { followPicture } from "./pointer";
import { askBox, askPatch, rowText, type ShownRow, showRow } from "./shown";
import { createImageView } from "./view";
import { panned, pixelAt, WHOLE, withInSight, type Zoom, zoomAt } from "./viewport";

/** The name of the view in the registry. */
const NAME = "image";
/** A picture that is wider than so many times its height has its words below it. */
const WIDE = 2.2;
/** Pixels by which a key moves the shown part. */
const STEP = 60;
/** Whoever passes over words is not told of each. */
const SPEAK_DELAY = 400;

type Pointed = { word: number } | { patch: number };

export interface ImageMounted extends View {
  // For the export:
  source: PictureSource;
  content(scene: Scene): ImageContent;
  /** The weights of what is pinned, not of what is pointed at. */
  pinned(scene: Scene): ShownRow;
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

  const pin = computed(() => active.pinned());
  const pinnedWord = () => (pin.value?.side === "target" ? pin.value.unit : null);
  /** The word whose weights are drawn; null for the mean of all. */
  const word = computed(() => {
    const at = pointed.value;
    return at && "word" in at ? at.word : pinnedWord();
  });
  /** While a part of the picture is pointed at, the weights stay as they are drawn. */
  const shown = computed(() => {
    const scene = isOpen() ? loader.scene.value : null;
    return scene && showRow(scene, source.patches(scene), existing(scene, word.value), store);
  });
  const asked = computed(() => {
    if (!shown.value) return null;
    const { scene, patches } = shown.value;
    const [at, box] = [pointed.value, selection.value];
    if (at) return "patch" in at ? askPatch(scene, patches, at.patch) : null;
    if (box) return askBox(scene, patches, box);
    return pin.value?.side === "source"
      ? askPatch(scene, patches, patches.ofUnit[pin.value.unit] ?? -1)
      : null;
  });

  /** A word that was pointed at in another scene may not exist in this one. */
  function existing(scene: Scene, unit: number | null): number | null {
    return unit !== null && unit < scene.target.labels.length ? unit : null;
  }

  function content(scene: Scene): ImageContent {
    return {
      picture: store.get("image_picture") ? source.picture.value : null,
      patches: source.patches(scene),
      grid: store.get("image_grid"),
      opacity: store.get("image_opacity"),
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
      picture: (image_picture) => store.set({ image_picture }),
      grid: (image_grid) => store.set({ image_grid }),
      sinks: (divide_sinks) => store.set({ divide_sinks }),
      reference: (image_reference) => store.set({ image_reference }),
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

  /** The patch that is pointed at or pinned; -1 for none. */
  function singlePatch(): number {
    const patches = asked.value?.patches;
    return patches?.length === 1 ? (patches[0] ?? -1) : -1;
  }

  function walk(by: readonly [number, number]): void {
    const [now, at] = [shown.value, pane.view()];
    if (!now || !at) return;
    const { patches, row } = now;
    const from = singlePatch();
    // The walk begins at the strongest patch.
    const patch = from < 0 ? row.values.indexOf(row.top) : neighborOf(patches, from, by);
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
      if (move.kind === "walk") walk(move.by);
      else if (move.kind === "pan") panBy(STEP * move.by[0], STEP * move.by[1]);
      else if (move.kind === "zoom") zoomBy(move.factor);
      else if (move.kind === "whole") showWhole();
      else if (move.kind === "layer") gestures.stepLayer(move.by);
      else if (move.kind === "leave") leave();
      else togglePatch(singlePatch());
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
  frames.draw(heat);
  frames.draw(mark);
  onRecordChange(frames, store, () => {
    selection.value = null;
    pointed.value = null;
    zoom.value = WHOLE;
  });

  return {
    element: view.element,
    source,
    content,
    pinned: (scene) => showRow(scene, source.patches(scene), existing(scene, pinnedWord()), store),
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
        outline: store.get("image_outline"),
        picture: store.get("image_picture"),
        grid: now.grid,
        reference: scene.reply.reference_boxes && store.get("image_reference"),
        sinks: { on: scene.spec.divided, why: sinksOf(store, scene.spec.sentence)?.why ?? "" },
        factor: zoom.value.factor,
      });
      words.show(scene.target, store.get("special") === "fade");
      pane.element.classList.toggle("xattn-zoomed", zoom.value.factor > 1);
      pane.show(now, zoom.value);
      // What is marked changes with every move of the pointer: the picture is not to be drawn again for that.
      untracked(() => {
        heat();
        mark();
      });
    },
    reveal(pin) {
      if (pin?.side === "target") words.reveal(pin.unit);
    },
  };

  function heat(): void {
    const now = shown.value;
    if (!now) return;
    pane.heat(now);
    const colors = { onDark: isDark(content(now.scene)), opacity: store.get("image_opacity") };
    view.foot(now.row.top, colors, source.missing.value);
  }

  function mark(): void {
    const now = shown.value;
    if (!now) return;
    const part = asked.value;
    const text = part?.text ?? rowText(now);
    // A box is drawn as it was dragged, a patch as it is.
    const isBox = selection.value !== null && pointed.value === null;
    const rects = isBox ? [] : (part?.patches ?? []).map((patch) => now.patches.rects[patch] as Rect);
    pane.mark({ chosen: rects, selection: selection.value });
    words.mark({ shown: now.unit ?? -1, pinned: pinnedWord() ?? -1, readers: part?.readers ?? null });
    view.say(text);
    clearTimeout(speaking);
    if (!pointed.value && !selection.value) return;
    speaking = setTimeout(() => {
      spoken.value = text;
    }, SPEAK_DELAY);
  }
}
