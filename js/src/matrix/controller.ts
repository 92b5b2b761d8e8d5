// The matrix view: a heat map of the picked heads, or the same numbers as a table.
import type { Context } from "../core/context";
import { referenceMarks, sceneCells } from "../core/heat/cells";
import { drawHeat } from "../core/heat/drawing";
import type { Token } from "../core/inspect";
import { sceneTitle, shownScene } from "../core/saved";
import type { Saved, View } from "../core/view";
import { createMatrix } from "./view";

export function mountMatrix({
  store,
  loader,
  active,
  gestures,
  theme,
  size,
  printing,
  paintSoon,
  signal,
}: Context): View {
  const matrix = createMatrix(
    {
      cell: active.cell,
      pin: (unit) => active.toggle({ side: "target", unit }),
      unpin: active.unpin,
      layer: gestures.stepLayer,
      zoom: (zoom) => store.set({ zoom }),
      table: (table) => store.set({ table }),
    },
    paintSoon,
    signal,
  );
  let revealed: Token | null = null;

  return {
    element: matrix.element,
    title: "Heat map of the picked heads",
    hint: "Point at a cell, or walk with the arrow keys, to read its weight. Click pins its row, Escape unpins it.",
    previews: true,
    combines: true,
    options: ["words", "special", "reading", "aggregate"],
    draw() {
      const scene = loader.scene.value;
      void size.value;
      if (!scene) return;
      matrix.show({
        scene,
        pin: active.pinned(),
        fade: store.get("special") === "fade",
        // Paper does not scroll.
        enlarged: store.get("zoom") && !printing.value,
        table: store.get("table"),
        theme: theme.value,
      });
    },
    reveal(pin) {
      const isNew = pin && (revealed?.side !== pin.side || revealed.unit !== pin.unit);
      revealed = pin;
      if (isNew) matrix.reveal(pin);
    },
  };
}

export function saveMatrix(_view: View, context: Context): Saved {
  const scene = shownScene(context);
  return {
    title: sceneTitle(context, scene),
    drawing: (style) =>
      drawHeat(
        {
          source: scene.source,
          target: scene.target,
          cells: sceneCells(scene, scene.top, style.theme),
          marks: referenceMarks(scene),
        },
        style,
      ),
  };
}
