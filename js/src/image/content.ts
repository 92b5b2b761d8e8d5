// What is drawn over the picture, on the screen and into files.
import type { Picture } from "../core/picture/file";
import type { Patches, Rect } from "../core/picture/patches";
import type { Theme } from "../core/theme";

/** The picture and how its patches are drawn. */
export interface ImageContent {
  /** Null while it is loaded, where the record holds none, and where it is switched off. */
  picture: Picture | null;
  patches: Patches;
  grid: boolean;
  opacity: number;
  theme: Theme;
}

/** What is asked about, which changes with every move of the pointer. */
export interface ImageMarks {
  /** The patches that are pointed at or pinned. */
  chosen: readonly Rect[];
  /** The box that was dragged. */
  selection: Rect | null;
}
