// What keys mean on the plot of sound.

export type SoundMove =
  | { kind: "play" }
  | { kind: "word" }
  | { kind: "walk"; by: number }
  | { kind: "cursor"; by: number; selects: boolean }
  | { kind: "end"; last: boolean }
  | { kind: "zoom"; factor: number }
  | { kind: "whole" }
  | { kind: "selection" }
  | { kind: "layer"; by: number }
  | { kind: "leave" };

/** Seconds of a step of the cursor; an axis that is zoomed in has smaller steps. */
export function cursorStep(shown: number): number {
  return shown > 10 ? 0.1 : shown > 2 ? 0.02 : 0.01;
}

export function soundMove(key: string, shift: boolean): SoundMove | null {
  switch (key) {
    case " ":
      return { kind: "play" };
    case "Enter":
      return { kind: "word" };
    case "ArrowUp":
      return { kind: "walk", by: -1 };
    case "ArrowDown":
      return { kind: "walk", by: 1 };
    case "ArrowLeft":
      return { kind: "cursor", by: -1, selects: shift };
    case "ArrowRight":
      return { kind: "cursor", by: 1, selects: shift };
    case "Home":
      return { kind: "end", last: false };
    case "End":
      return { kind: "end", last: true };
    case "+":
    case "=":
      return { kind: "zoom", factor: 1 / 2 };
    case "-":
    case "−":
      return { kind: "zoom", factor: 2 };
    case "0":
      return { kind: "whole" };
    case "z":
      return { kind: "selection" };
    case "PageUp":
      return { kind: "layer", by: -1 };
    case "PageDown":
      return { kind: "layer", by: 1 };
    case "Escape":
      return { kind: "leave" };
    default:
      return null;
  }
}
