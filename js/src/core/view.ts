// The interface between the panel and its views. A view is a folder with a controller, and a line in the registry
// (views.ts).
import type { ReadonlySignal } from "@preact/signals-core";
import type { Context } from "./context";
import type { Head } from "./contract";
import type { Token } from "./inspect";
import type { Drawing, Style } from "./markup";
import type { Needs } from "./needs";

/** The options of the panel, by their traits. */
export type OptionName = "words" | "special" | "reading" | "aggregate" | "orientation" | "keep";

/** One of the main views, mounted. */
export interface View {
  element: HTMLElement;
  /** The tooltip of its tab. */
  title: string;
  /**
   * What to do here, in words, where the readout is empty. Views that show single tokens have one: they come with the
   * readout, the search and the list of picked heads.
   */
  hint?: string;
  /** Whether the view shows every head itself, so that the panel hides the grid and the ranking of heads. */
  showsEveryHead?: boolean;
  /** Whether it says itself what is known of a token, so that the readout is hidden. */
  readsOut?: boolean;
  /** Whether it shows a head that is pointed at elsewhere. */
  previews?: boolean;
  /** Whether it draws several heads together, as their mean or maximum. */
  combines?: boolean;
  /** What the option "keep" keeps; lines where it is left out. */
  keeps?: "patches";
  /** The options that change what it shows. */
  options: readonly OptionName[];
  /** Draws the view in the frame after anything that it read has changed, while it is open. */
  draw(): void;
  /** Marks the pinned token, and scrolls a newly pinned one into sight: Python or the search may pin one that is not. */
  reveal?(pin: Token | null): void;
  /** What is picked here, for a screen reader, where it is more than the picked heads. */
  summary?(): string;
  /** The heads that the grid outlines and their colors, where these are not the picked ones. */
  outlined?(): { picked: Head[]; outlines: string[] };
}

/** A view as a file. */
export interface Saved {
  /** What the file shows, after the name of the sentence. */
  title: string[];
  drawing(style: Style): Drawing | Promise<Drawing>;
  /** Its own numbers in a format; null where the weights of the shown scene are meant. */
  numbers?(format: NumberFormat): Promise<string | null> | string | null;
}

export type NumberFormat = "csv" | "spreadsheet" | "json";

export interface ViewDefinition<Name extends string = string, Mounted extends View = View> {
  /** The value of the trait `panel`. */
  name: Name;
  /** What its tab says. */
  label: string;
  needs: Needs;
  mount(context: Context): Mounted;
  export(view: Mounted, context: Context): Saved;
}

/** A line of the registry. */
export function view<const Name extends string, Mounted extends View>(
  name: Name,
  label: string,
  needs: Needs,
  mount: (context: Context) => Mounted,
  save: (view: Mounted, context: Context) => Saved,
): ViewDefinition<Name, Mounted> {
  return { name, label, needs, mount, export: save };
}

/** A view together with its line of the registry. */
export interface MountedView {
  definition: ViewDefinition;
  view: View;
}

/** The open view. */
export type Opened = ReadonlySignal<MountedView>;
