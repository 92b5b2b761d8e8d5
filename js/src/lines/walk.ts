// Moves over the tokens by keyboard: along a side, across to the strongest partner, up and down the layers.
import type { Active } from "../core/active";
import type { Token } from "../core/inspect";
import type { TokenMove } from "../core/keyboard";
import { type Scene, unitsOf } from "../core/scene";

export interface WalkEvents {
  scene(): Scene | null;
  focus(token: Token): void;
  stepLayer(by: number): void;
  copy(token: Token): void;
}

export function createWalk(active: Active, events: WalkEvents): (token: Token, move: TokenMove) => void {
  function go(scene: Scene, side: Token["side"], wanted: number): void {
    const count = unitsOf(scene, side).labels.length;
    if (count === 0) return;
    const token = { side, unit: Math.max(0, Math.min(count - 1, wanted)) };
    events.focus(token);
    active.pin(token);
  }

  return (token, move) => {
    const scene = events.scene();
    if (!scene) return;
    if (move.kind === "walk") go(scene, token.side, token.unit + move.by);
    else if (move.kind === "end") go(scene, token.side, move.last ? Number.MAX_SAFE_INTEGER : 0);
    else if (move.kind === "layer") events.stepLayer(move.by);
    else if (move.kind === "copy") events.copy(token);
    else if (move.kind === "pin") active.toggle(token);
    else if (move.kind === "unpin") active.unpin();
    else if (move.to !== token.side) {
      const shown = active.shown.value?.inspection;
      const same = shown?.token.side === token.side && shown.token.unit === token.unit;
      go(scene, move.to, (same ? shown.partners[0]?.index : undefined) ?? token.unit);
    }
  };
}
