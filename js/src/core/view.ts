// What a room of the panel is given and gives: rooms join a view, which knows no data, to store and loader.

import type { Filter } from "../lines/geometry";
import type { Active } from "./active";
import type { TraitName } from "./contract";
import type { Data } from "./data";
import type { Gestures } from "./gestures";
import type { Inspection } from "./inspect";
import type { Loader, LoadReason } from "./loader";
import type { Subject } from "./picks";
import type { Store } from "./store";
import type { Theme } from "./theme";

export type Reason = TraitName | LoadReason | "theme" | "size" | "side";
export type Reasons = ReadonlySet<Reason>;

export interface Context {
  store: Store;
  data: Data;
  loader: Loader;
  active: Active;
  gestures: Gestures;
  subject: Subject;
  theme(): Theme;
  /** One color a picked head, in the present theme. */
  colors(): readonly string[];
  redraw(...reasons: Reason[]): void;
  paintSoon(paint: () => void): void;
  /** Unique in the page, for ids of elements. */
  id: string;
  signal: AbortSignal;
}

/** One of the main views. */
export interface Room {
  element: HTMLElement;
  /** What to do here, in words, where the readout is empty; null where there is no readout. */
  hint: string | null;
  /** Asks for what it shows beyond the scene; while it is open, whether or not there is something to draw yet. */
  load?(reasons: Reasons): void;
  draw(reasons: Reasons): void;
  /** What is picked here, for a screen reader, where it is more than the picked heads. */
  summary?(): string;
  /** Marks what is being looked at. */
  activate?(inspection: Inspection | null, pinned: boolean): void;
}

export function anyOf(reasons: Reasons, names: readonly Reason[]): boolean {
  return names.some((name) => reasons.has(name));
}

/** Outline colors of the picked heads: their lines' colors, or one color for an aggregate. */
export function outlinesOf(count: number, colors: readonly string[]): string[] {
  const aggregated = count > colors.length;
  return Array.from({ length: count }, (_, i) => colors[aggregated ? 0 : i] ?? "");
}

/** Which lines are kept, by the traits. */
export function filterOf(store: Store): Filter {
  return {
    keep: store.get("keep"),
    threshold: store.get("threshold"),
    top_k: store.get("top_k"),
    mass: store.get("mass"),
  };
}
