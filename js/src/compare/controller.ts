// The comparison: two picks side by side and their difference, and the grid that picks for either side.
import type { ReadonlySignal } from "@preact/signals-core";
import type { Context } from "../core/context";
import type { Head } from "../core/contract";
import { headsName } from "../core/format";
import { followScene } from "../core/loader";
import { zeroReason } from "../core/muting";
import { firstPick, type Pick, pickPatch, secondPick, shapeOf } from "../core/picks";
import type { Scene } from "../core/scene";
import type { View } from "../core/view";
import { createCompare } from "./view";

export interface CompareView extends View {
  /** The scene that the shown one is compared with. */
  second: ReadonlySignal<Scene | null>;
}

export function mountCompare(context: Context): CompareView {
  const { store, loader, gestures, subject, theme, colors, size, paintSoon, id, signal } = context;
  const isOpen = () => store.get("panel") === "compare";
  // Loaded only while the view is open.
  const second = followScene(
    context,
    () => (isOpen() ? secondPick(store) : null),
    ({ sentence, heads }) => store.set({ compare: { sentence, heads } }),
  );
  const view = createCompare(
    { sentence: gestures.compareSentence, editing: subject.choose, swap: () => swap(context) },
    paintSoon,
    id,
    signal,
  );

  function name({ sentence, heads }: Pick): string {
    const info = store.get("info");
    const picked = headsName(heads, store.get("aggregate"), shapeOf(info, sentence).heads);
    const label = info.sentences[sentence]?.name;
    const which = label || (info.sentences.length > 1 ? `sentence ${sentence + 1}` : "");
    return which ? `${which} · ${picked}` : picked;
  }

  return {
    element: view.element,
    title: "Two heads, sentences or models side by side, and their difference",
    options: ["words", "special", "reading", "aggregate"],
    second,
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
