// The room of the sentence: lines between tokens, what is pointed at, and the walk by keyboard.
import { formatWeight } from "../core/format";
import type { Inspection, Token } from "../core/inspect";
import { anyOf, type Context, filterOf, type Reason, type Room } from "../core/view";
import { createLines } from "./view";
import { createWalk } from "./walk";

const PIN_TRAITS: readonly Reason[] = ["scene", "target_index", "source_index", "orientation", "panel"];

export interface LinesRoom extends Room {
  /** Marks the tokens that a search found. */
  found(tokens: readonly Token[]): void;
}

export function createLinesRoom(
  { store, loader, active, gestures, theme, colors, paintSoon, signal }: Context,
  copy: (token: Token) => void,
): LinesRoom {
  let inspected: Inspection | null = null;
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
    scene: () => loader.scene,
    inspection: () => inspected,
    focus: ({ side, unit }) => lines.focus(side, unit),
    stepLayer: gestures.stepLayer,
    copy,
  });

  return {
    element: lines.element,
    hint: "Point at a token, or walk with the arrow keys, to see what it looks at. Click pins it, Escape lets go.",
    draw(reasons) {
      const { scene } = loader;
      if (!scene) return;
      lines.show({
        scene,
        layout: store.get("orientation"),
        filter: filterOf(store),
        fade: store.get("special") === "fade",
        colors: colors().slice(0, scene.sets.length),
        theme: theme(),
      });
      const pin = active.pinned();
      if (!pin) return;
      lines.setTabStop(pin.side, pin.unit);
      // Python may pin a token that is out of sight.
      if (anyOf(reasons, PIN_TRAITS)) lines.reveal(pin.side, pin.unit);
    },
    found(tokens) {
      for (const side of ["source", "target"] as const)
        lines.found(side, new Set(tokens.filter((token) => token.side === side).map(({ unit }) => unit)));
    },
    activate(inspection, pinned) {
      inspected = inspection;
      if (!inspection) {
        lines.activate(null);
        return;
      }
      const { token, partners, exact } = inspection;
      const weights = new Map(partners.map(({ index, value }) => [index, formatWeight(value, exact)]));
      lines.activate({ ...token, partners: weights, pinned });
    },
  };
}
