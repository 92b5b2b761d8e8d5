// What keys mean: pure functions from key names to moves.
import type { Layout } from "./contract";

export type TokenMove =
  | { kind: "walk"; by: number }
  | { kind: "end"; last: boolean }
  | { kind: "side"; to: "source" | "target" }
  | { kind: "layer"; by: number }
  | { kind: "copy" }
  | { kind: "pin" }
  | { kind: "unpin" };

/** Keys on a token: along the sentence, over to the other side, up and down the layers. */
export function tokenMove(key: string, layout: Layout): TokenMove | null {
  const columns = layout === "columns";
  switch (key) {
    case "ArrowUp":
      return columns ? { kind: "walk", by: -1 } : { kind: "side", to: "source" };
    case "ArrowDown":
      return columns ? { kind: "walk", by: 1 } : { kind: "side", to: "target" };
    case "ArrowLeft":
      return columns ? { kind: "side", to: "source" } : { kind: "walk", by: -1 };
    case "ArrowRight":
      return columns ? { kind: "side", to: "target" } : { kind: "walk", by: 1 };
    case "Home":
      return { kind: "end", last: false };
    case "End":
      return { kind: "end", last: true };
    case "PageUp":
      return { kind: "layer", by: -1 };
    case "PageDown":
      return { kind: "layer", by: 1 };
    case "c":
      return { kind: "copy" };
    case "Enter":
    case " ":
      return { kind: "pin" };
    case "Escape":
      return { kind: "unpin" };
    default:
      return null;
  }
}

/** Arrow keys, Home, End and Page keys on a grid of rows x columns; null for other keys. */
export function gridMove(
  key: string,
  at: readonly [row: number, column: number],
  rows: number,
  columns: number,
): [number, number] | null {
  const clamp = (value: number, count: number) => Math.max(0, Math.min(count - 1, value));
  const [row, column] = at;
  switch (key) {
    case "ArrowUp":
      return [clamp(row - 1, rows), column];
    case "ArrowDown":
      return [clamp(row + 1, rows), column];
    case "ArrowLeft":
      return [row, clamp(column - 1, columns)];
    case "ArrowRight":
      return [row, clamp(column + 1, columns)];
    case "Home":
      return [row, 0];
    case "End":
      return [row, columns - 1];
    case "PageUp":
      return [0, column];
    case "PageDown":
      return [rows - 1, column];
    default:
      return null;
  }
}

/** Arrow keys, Home and End in a list; null for other keys. */
export function listMove(key: string, index: number, count: number): number | null {
  const to = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: count - 1 }[key];
  return to === undefined ? null : Math.max(0, Math.min(count - 1, to));
}

/** Keeps a handled key from the notebook, whose command mode would act on it as well. */
export function claim(event: KeyboardEvent): void {
  event.preventDefault();
  event.stopPropagation();
}
