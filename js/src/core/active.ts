// Which token is inspected (hovered, focused or pinned), and its numbers: quantized at once, exact soon after.
import { type ReadonlySignal, signal } from "@preact/signals-core";
import type { Data } from "./data";
import { type Errand, errorText } from "./errands";
import { formatWeight } from "./format";
import { type Inspection, inspectCell, inspectToken, speak, type Token } from "./inspect";
import { exactWeightsOf, type Scene } from "./scene";
import type { Store } from "./store";

const EXACT_DELAY = 60;
const SPEAK_DELAY = 400;

export type Cell = readonly [target: number, source: number];

/** What the readout shows. */
export interface Shown {
  inspection: Inspection;
  pinned: boolean;
}

export interface Active {
  shown: ReadonlySignal<Shown | null>;
  hover(token: Token | null): void;
  focus(token: Token | null): void;
  cell(cell: Cell | null): void;
  /** Pins a token, or unpins it if it is pinned. */
  toggle(token: Token): void;
  pin(token: Token): void;
  unpin(): void;
  pinned(): Token | null;
  /** Describes the token again, using the current scene and pin. */
  refresh(): void;
}

export interface ActiveSources {
  data: Data;
  store: Store;
  hasKernel: ReadonlySignal<boolean>;
  scene: ReadonlySignal<Scene | null>;
  /** Whether numbers are shown, but neither read out nor requested exactly, as of a preview. */
  previews(): boolean;
  /** Fails if the exact weights cannot be read. */
  errand: Errand;
  /** Announces it to a screen reader. */
  speak(text: string): void;
}

export function createActive(
  { data, store, hasKernel, scene, previews, errand, speak: say }: ActiveSources,
  closing: AbortSignal,
): Active {
  const shown = signal<Shown | null>(null);
  let hovered: Token | null = null;
  let focused: Token | null = null;
  let cell: Cell | null = null;
  let exact = new Map<string, Float32Array>();
  let described: Scene | null = null;
  let fetchTimer: ReturnType<typeof setTimeout> | undefined;
  let speakTimer: ReturnType<typeof setTimeout> | undefined;
  const stopTimers = () => {
    clearTimeout(fetchTimer);
    clearTimeout(speakTimer);
  };
  closing.addEventListener("abort", stopTimers, { once: true });

  const keyOf = (token: Token) => `${token.side} ${token.unit}`;

  function pinned(): Token | null {
    const current = scene.value;
    if (!current) return null;
    for (const side of ["target", "source"] as const) {
      const index = store.get(`${side}_index`);
      const unit = index === null ? -1 : (current[side].assign[index] ?? -1);
      if (unit >= 0) return { side, unit };
    }
    return null;
  }

  function inspected(): Token | null {
    if (cell) return { side: "target", unit: cell[0] };
    return hovered ?? focused ?? pinned();
  }

  function show(): void {
    const current = scene.value;
    const token = current ? inspected() : null;
    stopTimers();
    if (!current || !token) {
      shown.value = null;
      return;
    }
    const numbers = exact.get(keyOf(token)) ?? null;
    const pin = pinned();
    const inspection = cell ? inspectCell(current, cell, numbers) : inspectToken(current, token, numbers);
    shown.value = { inspection, pinned: pin !== null && keyOf(pin) === keyOf(token) };
    if (previews()) return;
    speakTimer = setTimeout(
      () => say(speak(inspection, (value) => formatWeight(value, inspection.exact))),
      SPEAK_DELAY,
    );
    if (!numbers) fetchTimer = setTimeout(() => void fetchExact(current, token), EXACT_DELAY);
  }

  async function fetchExact(from: Scene, token: Token): Promise<void> {
    try {
      const values = await exactWeightsOf(data, from, token.side, token.unit);
      if (closing.aborted || !values || scene.value !== from) return;
      errand.settle(null);
      exact.set(keyOf(token), values);
      const now = inspected();
      if (now && keyOf(now) === keyOf(token)) show();
    } catch (error) {
      // Without a kernel there are few exact rows: the quantized numbers stay, with fewer decimals.
      if (!closing.aborted && hasKernel.peek())
        errand.settle(`The exact weights could not be read: ${errorText(error)}`);
    }
  }

  function pin(token: Token): void {
    const position = scene.value?.[token.side].positions[token.unit]?.[0];
    if (position === undefined) return;
    const source = token.side === "source";
    store.set({ target_index: source ? null : position, source_index: source ? position : null });
  }

  const unpin = () => store.set({ target_index: null, source_index: null });

  return {
    shown,
    hover(token) {
      hovered = token;
      show();
    },
    focus(token) {
      focused = token;
      show();
    },
    cell(next) {
      cell = next;
      show();
    },
    toggle(token) {
      const current = pinned();
      if (current && keyOf(current) === keyOf(token)) unpin();
      else pin(token);
    },
    pin,
    unpin,
    pinned,
    refresh() {
      const current = scene.value;
      if (current !== described) {
        // Units of another scene are other tokens; the pin is a position and survives.
        if (current?.source !== described?.source || current?.target !== described?.target) {
          hovered = null;
          cell = null;
        }
        exact = new Map();
        described = current;
      }
      show();
    },
  };
}
