// The comparison: two picks side by side and their difference, and the grid that picks for either side.
import type { ReadonlySignal } from "@preact/signals-core";
import type { Context } from "../core/context";
import type { Head } from "../core/contract";
import { followScene, specOf } from "../core/loader";
import { zeroReason } from "../core/muting";
import { hasPlaces } from "../core/needs";
import { firstPick, type Pick, pickPatch, secondPick } from "../core/picks";
import { createPictureSource } from "../core/picture/source";
import { jointName } from "../core/saved";
import type { Scene } from "../core/scene";
import type { View } from "../core/view";
import { type Pictured, pictured } from "./pictured";
import { createCompare } from "./view";

export interface CompareView extends View {
  /** The scene that the shown one is compared with. */
  second: ReadonlySignal<Scene | null>;
  /** Two scenes of pictures, for a word; null for others. */
  pictured(first: Scene, second: Scene): Pictured | null;
}

export function mountCompare(context: Context): CompareView {
  const { store, loader, active, gestures, subject, theme, colors, size, paintSoon, id, signal } = context;
  const isOpen = () => store.get("panel") === "compare";
  // Loaded only while the view is open.
  const second = followScene(
    context,
    () => (isOpen() ? secondPick(store) : null),
    ({ sentence, heads }) => store.set({ compare: { sentence, heads } }),
  );
  const sources = [
    createPictureSource(context, isOpen),
    createPictureSource(context, isOpen, () => secondPick(store).sentence),
  ] as const;
  const view = createCompare(
    {
      sentence: gestures.compareSentence,
      editing: subject.choose,
      swap: () => swap(context),
      word: (unit) => (unit === null ? active.unpin() : active.pin({ side: "target", unit })),
    },
    paintSoon,
    id,
    signal,
  );

  function name(pick: Pick): string {
    const info = store.get("info");
    const { sentence } = pick;
    const picked = jointName(store, specOf(store, pick));
    const label = info.sentences[sentence]?.name;
    const which = label || (info.sentences.length > 1 ? `sentence ${sentence + 1}` : "");
    return which ? `${which} · ${picked}` : picked;
  }

  function picturedOf(first: Scene, other: Scene): Pictured | null {
    if (![first, other].every(({ reply }) => hasPlaces(reply.source))) return null;
    const [one, two] = sources;
    const pin = active.pinned();
    return pictured(
      [first, other],
      [
        { picture: one.picture.value, patches: one.patches(first) },
        { picture: two.picture.value, patches: two.patches(other) },
      ],
      pin?.side === "target" ? pin.unit : null,
    );
  }

  return {
    element: view.element,
    title: "Two heads, sentences or models side by side, and their difference",
    options: ["words", "special", "reading", "aggregate"],
    second,
    pictured: picturedOf,
    summary: () => `Comparing A, ${name(firstPick(store))}, with B, ${name(secondPick(store))}.`,
    outlined: () => outlined(context),
    draw() {
      const [scene, other] = [loader.picked.value, second.value];
      void size.value;
      view.element.classList.toggle("xattn-incomplete", !other);
      if (!scene || !other) return;
      view.show({
        first: scene,
        second: other,
        names: [name(scene.spec), name(other.spec)],
        sentences: store.get("info").sentences,
        editing: subject.second,
        zero: zeroReason(scene.spec, other.spec, {
          muted: store.get("muted"),
          effect: store.get("live")?.effect ?? null,
        }),
        fade: store.get("special") === "fade",
        colors: colors.value,
        theme: theme.value,
        pictured: picturedOf(scene, other),
        opacity: store.get("image_opacity"),
      });
    },
  };
}

function swap({ store }: Context): void {
  const [first, second] = [firstPick(store), secondPick(store)];
  store.set({
    sentence: second.sentence,
    ...pickPatch(second.heads),
    target_index: null,
    source_index: null,
    compare: { sentence: first.sentence, heads: [...first.heads] },
  });
}

/** The heads of both sides, in one color per side; those that the grid picks for come first. */
function outlined({ store, subject, colors }: Context): { picked: Head[]; outlines: string[] } {
  const sides = [firstPick(store), secondPick(store)].map(({ heads }, index) => ({
    heads,
    color: colors.value[index] ?? "",
  }));
  if (subject.second) sides.reverse();
  return {
    picked: sides.flatMap(({ heads }) => heads),
    outlines: sides.flatMap(({ heads, color }) => heads.map(() => color)),
  };
}
