// What keys mean on the picture.

export type ImageMove =
  | { kind: "walk"; by: readonly [number, number] }
  | { kind: "pan"; by: readonly [number, number] }
  | { kind: "zoom"; factor: number }
  | { kind: "whole" }
  | { kind: "layer"; by: number }
  | { kind: "pin" }
  | { kind: "leave" };

const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export function imageMove(key: string, shift: boolean): ImageMove | null {
  const arrow = Object.hasOwn(ARROWS, key) ? ARROWS[key] : undefined;
  if (arrow) return { kind: shift ? "pan" : "walk", by: arrow };
  switch (key) {
    case "+":
    case "=":
      return { kind: "zoom", factor: 2 };
    case "-":
    case "−":
      return { kind: "zoom", factor: 1 / 2 };
    case "0":
      return { kind: "whole" };
    case "PageUp":
      return { kind: "layer", by: -1 };
    case "PageDown":
      return { kind: "layer", by: 1 };
    case "Enter":
    case " ":
      return { kind: "pin" };
    case "Escape":
      return { kind: "leave" };
    default:
      return null;
  }
}
