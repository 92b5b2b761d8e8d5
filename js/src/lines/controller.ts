// The lines view: lines between tokens, what is inspected, and the walk by keyboard.
import { computed } from "@preact/signals-core";
import type { Context } from "../core/context";
import { formatWeight } from "../core/format";
import { mutedSets } from "../core/picks";
import { copyRow } from "../core/row_text";
import { sceneTitle, shownScene } from "../core/saved";
import { longerSide, type Scene } from "../core/scene";
import { stripCells } from "../core/strip";
import type { Saved, View } from "../core/view";
import { drawLines } from "./drawing";
import type { Filter } from "./selection";
import { createLines } from "./view";
import { createWalk } from "./walk";

/** Of tokens that are written downward. */
const TOKENS_ACROSS = 28;

export function mountLines(context: Context): View {
  const { store, loader, active, gestures, theme, colors, size, printing, found, frames, paintSoon, signal } =
    context;
  const lines = createLines(
    {
      hover: (side, unit) => active.hover(unit === null ? null : { side, unit }),
      focus: (side, unit) => active.focus(unit === null ? null : { side, unit }),
      click: (side, unit) => active.toggle({ side, unit }),
      move: (side, unit, move) => walk({ side, unit }, move),
    },
    paintSoon,
    signal,
  );
  const walk = createWalk(active, {
    scene: () => loader.scene.value,
    focus: ({ side, unit }) => lines.focus(side, unit),
    stepLayer: gestures.stepLayer,
    copy: (token) => void copyRow(context, token),
  });
  const filter = computed(() => filterOf(context));

  frames.watch(() => {
    const shown = active.shown.value;
    if (!shown) {
      lines.activate(null);
      return;
    }
    const { token, partners, heads, exact } = shown.inspection;
    const marks = new Map(
      partners.map(({ index, value, each }) => [
        index,
        {
          weight: value,
          text: formatWeight(value, exact),
          heads: stripCells(each, heads, colors.value),
        },
      ]),
    );
    lines.activate({ ...token, partners: marks });
  });
  frames.watch(() => {
    for (const side of ["source", "target"] as const) {
      const tokens = found.value.filter((token) => token.side === side);
      lines.found(side, new Set(tokens.map(({ unit }) => unit)));
    }
  });

  return {
    element: lines.element,
    title: "Lines between source and target tokens",
    hint: "Point at a token, or walk with the arrow keys, to see its weights. Click pins it, Escape unpins it.",
    previews: true,
    options: ["words", "special", "reading", "aggregate", "orientation", "keep"],
    draw() {
      const scene = loader.scene.value;
      // Draw again when the size changes.
      void size.value;
      if (!scene) return;
      lines.show({
        scene,
        layout: printing.value && !fitsSheet(scene) ? "columns" : store.get("orientation"),
        filter: filter.value,
        fade: store.get("special") === "fade",
        colors: colors.value.slice(0, scene.sets.length),
        muted: mutedSets(store, scene.spec),
        theme: theme.value,
      });
    },
    reveal(pin) {
      lines.pin(pin);
      if (!pin) return;
      lines.setTabStop(pin.side, pin.unit);
      lines.reveal(pin.side, pin.unit);
    },
  };
}

/** Whether a printed page is wide enough for the tokens in rows; it does not scroll. */
function fitsSheet(scene: Scene): boolean {
  return longerSide(scene) <= TOKENS_ACROSS;
}

/** Which lines are kept, by the settings. */
function filterOf({ store }: Context): Filter {
  return {
    keep: store.get("keep"),
    threshold: store.get("threshold"),
    top_k: store.get("top_k"),
    mass: store.get("mass"),
  };
}

export function saveLines(_view: View, context: Context): Saved {
  const scene = shownScene(context);
  return {
    title: sceneTitle(context, scene),
    drawing: (style) =>
      drawLines(
        {
          scene,
          layout: context.store.get("orientation"),
          filter: filterOf(context),
          fade: context.store.get("special") === "fade",
          colors: context.colors.value,
          muted: mutedSets(context.store, scene.spec),
        },
        style,
      ),
  };
}
