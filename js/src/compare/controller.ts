// The room of the comparison: what the picked heads are set beside, and the grid that picks for either side.
import { headsName } from "../core/format";
import { firstPick, type Pick, pickPatch, secondPick, shapeOf } from "../core/picks";
import { anyOf, type Context, type Reason, type Room } from "../core/view";
import { createCompare } from "./view";

const OTHER_TRAITS: readonly Reason[] = [
  "panel",
  "compare",
  "sentence",
  "heads",
  "aggregate",
  "words",
  "special",
  "reading",
];

export function createCompareRoom(context: Context): Room {
  const { store, loader, gestures, subject, theme, colors, redraw, paintSoon, id, signal } = context;
  const view = createCompare(
    {
      sentence: gestures.compareSentence,
      editing(second) {
        subject.choose(second);
        redraw("side");
      },
      swap() {
        const [first, second] = [firstPick(store), secondPick(store)];
        store.set({
          sentence: second.sentence,
          ...pickPatch(second.heads),
          target_index: null,
          source_index: null,
          compare: { sentence: first.sentence, heads: [...first.heads] },
        });
      },
    },
    paintSoon,
    id,
    signal,
  );

  function name({ sentence, heads }: Pick): string {
    const info = store.get("info");
    const { heads: whole } = shapeOf(info, sentence);
    const said = headsName(heads, store.get("aggregate"), whole);
    const named = info.sentences[sentence]?.name;
    const which = named || (info.sentences.length > 1 ? `sentence ${sentence + 1}` : "");
    return which ? `${which} · ${said}` : said;
  }

  return {
    element: view.element,
    hint: null,
    summary: () => `Comparing A, ${name(firstPick(store))}, with B, ${name(secondPick(store))}.`,
    load(reasons) {
      if (anyOf(reasons, OTHER_TRAITS)) loader.refreshOther();
    },
    draw() {
      const { scene, other } = loader;
      view.element.classList.toggle("xattn-incomplete", !other);
      if (!scene || !other) return;
      view.show({
        first: scene,
        second: other,
        names: [name(scene.spec), name(other.spec)],
        sentences: store.get("info").sentences,
        editing: subject.second,
        fade: store.get("special") === "fade",
        colors: colors(),
        theme: theme(),
      });
    },
  };
}
