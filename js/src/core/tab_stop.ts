// One tab stop for a group of controls: Tab goes into the group once, and the arrow keys move inside it.
import { claim } from "./keyboard";

export interface TabStop {
  /** Chooses the stop again after the controls have changed. */
  refresh(): void;
}

/** `columns` lists the controls of the group that can have the focus, as they stand side by side. */
export function oneTabStop(
  group: HTMLElement,
  columns: () => readonly (readonly HTMLElement[])[],
  signal: AbortSignal,
): TabStop {
  let stop: HTMLElement | null = null;

  function refresh(): void {
    const controls = columns().flat();
    if (!stop || !controls.includes(stop)) stop = controls[0] ?? null;
    for (const control of controls) control.tabIndex = control === stop ? 0 : -1;
  }

  function next(key: string, from: HTMLElement): HTMLElement | undefined {
    const sides = columns().filter((column) => column.length > 0);
    const side = sides.findIndex((column) => column.includes(from));
    const column = sides[side];
    if (!column) return undefined;
    const row = column.indexOf(from);
    const beside = (by: number) => {
      const other = sides[side + by];
      return other?.[Math.min(row, other.length - 1)];
    };
    switch (key) {
      case "ArrowUp":
        return column[row - 1];
      case "ArrowDown":
        return column[row + 1];
      case "ArrowLeft":
        return beside(-1);
      case "ArrowRight":
        return beside(1);
      case "Home":
        return sides[0]?.[0];
      case "End":
        return sides.at(-1)?.at(-1);
      default:
        return undefined;
    }
  }

  group.addEventListener(
    "focusin",
    (event) => {
      if (!(event.target instanceof HTMLElement) || !columns().flat().includes(event.target)) return;
      stop = event.target;
      refresh();
    },
    { signal },
  );
  group.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !(event.target instanceof HTMLElement)) return;
      const to = next(event.key, event.target);
      if (!to) return;
      claim(event);
      to.focus();
    },
    { signal },
  );
  return { refresh };
}
