// The context that all parts of a panel share: traits, data, appearance, and when to draw.
import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals-core";
import { type Active, createActive } from "./active";
import { followAhead } from "./ahead";
import type { Connection } from "./connection";
import { createData, type Data } from "./data";
import { createErrands, type Errands } from "./errands";
import { createFrame, createFrames, type Frames } from "./frames";
import { createGestures, type Gestures } from "./gestures";
import type { Token } from "./inspect";
import { createLoader, type Loader } from "./loader";
import type { Model } from "./model";
import { followNeighbors } from "./neighbors";
import { createSubject, type Subject } from "./picks";
import { headColors } from "./scales";
import { createStore, type Store } from "./store";
import { followSurvey, type Survey } from "./survey";
import { followLooks, type Looks } from "./theme";
import { createTransport, type Transport } from "./transport";

export interface Context extends Looks {
  /** The panel's root element. */
  root: HTMLElement;
  /** Unique in the page, for ids of elements. */
  id: string;
  /** Aborted when the panel is closed. */
  signal: AbortSignal;
  store: Store;
  transport: Transport;
  connection: Connection;
  /** Whether requests are answered: there is a kernel, and it is not gone. */
  hasKernel: ReadonlySignal<boolean>;
  data: Data;
  frames: Frames;
  /** Paints in the next frame, for scrolling content. */
  paintSoon(paint: () => void): void;
  errands: Errands;
  loader: Loader;
  survey: Survey;
  subject: Subject;
  gestures: Gestures;
  active: Active;
  /** One color for each picked head, in the current theme. */
  colors: ReadonlySignal<readonly string[]>;
  /** The tokens that the search found. */
  found: Signal<readonly Token[]>;
  /** Whether the open view says itself what is known of a token: it is then neither read out nor requested exactly. */
  readsOut: Signal<boolean>;
  /** The text for screen readers. */
  spoken: Signal<string>;
  /** The last action, to show and to read out; a new object each time. */
  told: Signal<{ text: string } | null>;
}

let panels = 0;

/** `root` must be in the page already. */
export function createContext(model: Model, root: HTMLElement, closing: AbortSignal): Context {
  panels += 1;
  const id = `xattn-${panels}-${Math.random().toString(36).slice(2, 8)}`;
  const store = createStore(model, closing);
  const transport = createTransport(model, closing);
  const data = createData(transport, (sentence) => store.get("info").sentences[sentence]?.version);
  const frames = createFrames(() => root.clientWidth > 0, closing);
  const looks = followLooks(root, store, frames, closing);
  const errands = createErrands(closing);
  const subject = createSubject(store);
  const { connection } = transport;
  const hasKernel = computed(() => store.get("info").has_kernel && connection.line.value !== "closed");
  const sources = { data, store, errands, frames, connection };
  const loader = createLoader(sources, subject, closing);
  const spoken = signal("");
  const readsOut = signal(false);
  const active = createActive(
    {
      data,
      store,
      hasKernel,
      scene: loader.scene,
      previews: () => readsOut.value || loader.preview.scene.value !== null,
      errand: errands.add({ quiet: true }),
      speak: (text) => {
        spoken.value = text;
      },
    },
    closing,
  );
  followNeighbors({ data, store, frames, picked: () => loader.picked.value }, closing);
  followAhead({ data, store, transport, loader, frames, hasKernel }, closing);
  return {
    ...looks,
    root,
    id,
    signal: closing,
    store,
    transport,
    connection,
    hasKernel,
    data,
    frames,
    paintSoon: createFrame<() => void>((paints) => {
      for (const paint of paints) paint();
    }, closing),
    errands,
    loader,
    survey: followSurvey(sources, subject, loader),
    subject,
    gestures: createGestures(store, subject),
    active,
    colors: computed(() => headColors(looks.theme.value.dark)),
    found: signal([]),
    readsOut,
    spoken,
    told: signal(null),
  };
}

/** Reports an action: the text is shown for a moment and read out. */
export function tell({ told, spoken }: Context, text: string): void {
  told.value = { text };
  spoken.value = text;
}

/** Outline colors of the picked heads: their lines' colors, or one color where they are drawn as one. */
export function outlinesOf(count: number, colors: readonly string[], combined: boolean): string[] {
  const aggregated = combined || count > colors.length;
  return Array.from({ length: count }, (_, i) => colors[aggregated ? 0 : i] ?? "");
}
