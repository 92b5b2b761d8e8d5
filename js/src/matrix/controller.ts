// The room of the heat map.
import { anyOf, type Context, type Room } from "../core/view";
import { createMatrix } from "./view";

export function createMatrixRoom({
  store,
  loader,
  active,
  gestures,
  theme,
  paintSoon,
  signal,
}: Context): Room {
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
  return {
    element: matrix.element,
    hint: "Point at a cell, or walk with the arrow keys, to read its weight. Click pins its row, Escape lets go.",
    draw(reasons) {
      const { scene } = loader;
      if (!scene) return;
      const pin = active.pinned();
      matrix.show({
        scene,
        pin,
        fade: store.get("special") === "fade",
        enlarged: store.get("zoom"),
        table: store.get("table"),
        theme: theme(),
      });
      // Python or a search may pin what is out of sight.
      if (pin && anyOf(reasons, ["target_index", "source_index"])) matrix.reveal(pin);
    },
  };
}
