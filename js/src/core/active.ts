// Which token is being looked at (hovered, focused or pinned), and its numbers: quantized at once, exact soon.
import type { Data } from "./data";
import { formatWeight } from "./format";
import { type Inspection, inspectCell, inspectToken, speak, type Token } from "./inspect";
import { exactWeightsOf, type Scene } from "./scene";
import type { Store } from "./store";

const EXACT_DELAY = 60;
const SPEAK_DELAY = 400;

export type Cell = readonly [target: number, source: number];

export interface Active {
  hover(token: Token | null): void;
  focus(token: Token | null): void;
  cell(cell: Cell | null): void;
  /** Pins a token, or takes the pin away when it is pinned already. */
  toggle(token: Token): void;
  pin(token: Token): void;
  unpin(): void;
  pinned(): Token | null;
  sceneChanged(): void;
}

export interface ActiveEvents {
  scene(): Scene | null;
  show(inspection: Inspection | null, pinned: boolean): void;
  speak(text: string): void;
  /** Exact numbers came (null) or failed to. */
  fetched(error: unknown): void;
}

export function createActive(data: Data, store: Store, events: ActiveEvents, signal: AbortSignal): Active {
  let hovered: Token | null = null;
  let focused: Token | null = null;
  let cell: Cell | null = null;
  let exact = new Map<string, Float32Array>();
  let exactOf: Scene | null = null;
  let fetchTimer: ReturnType<typeof setTimeout> | undefined;
  let speakTimer: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener(
    "abort",
    () => {
      clearTimeout(fetchTimer);
      clearTimeout(speakTimer);
    },
    { once: true },
  );

  const keyOf = (token: Token) => `${token.side} ${token.unit}`;

  function pinned(): Token | null {
    const scene = events.scene();
    if (!scene) return null;
    for (const side of ["target", "source"] as const) {
      const index = store.get(`${side}_index`);
      const unit = index === null ? -1 : (scene[side].assign[index] ?? -1);
      if (unit >= 0) return { side, unit };
    }
    return null;
  }

  function current(): Token | null {
    if (cell) return { side: "target", unit: cell[0] };
    return hovered ?? focused ?? pinned();
  }

  function show(): void {
    const scene = events.scene();
    const token = scene ? current() : null;
    clearTimeout(fetchTimer);
    clearTimeout(speakTimer);
    if (!scene || !token) {
      events.show(null, false);
      return;
    }
    const held = exact.get(keyOf(token)) ?? null;
    const pin = pinned();
    const inspection = cell ? inspectCell(scene, cell, held) : inspectToken(scene, token, held);
    events.show(inspection, pin !== null && keyOf(pin) === keyOf(token));
    speakTimer = setTimeout(
      () => events.speak(speak(inspection, (value) => formatWeight(value, inspection.exact))),
      SPEAK_DELAY,
    );
    if (!held) fetchTimer = setTimeout(() => void fetchExact(scene, token), EXACT_DELAY);
  }

  async function fetchExact(scene: Scene, token: Token): Promise<void> {
    try {
      const values = await exactWeightsOf(data, scene, token.side, token.unit);
      if (signal.aborted || !values || events.scene() !== scene) return;
      events.fetched(null);
      exact.set(keyOf(token), values);
      const now = current();
      if (now && keyOf(now) === keyOf(token)) show();
    } catch (error) {
      // A page without a kernel holds few exact rows: the quantized numbers stand, with fewer decimals.
      if (!signal.aborted && store.get("info").live) events.fetched(error);
    }
  }

  function pin(token: Token): void {
    const scene = events.scene();
    const position = scene?.[token.side].positions[token.unit]?.[0];
    if (position === undefined) return;
    const source = token.side === "source";
    store.set({ target_index: source ? null : position, source_index: source ? position : null });
  }

  return {
    hover(token) {
      hovered = token;
      show();
    },
    focus(token) {
      focused = token;
      show();
    },
    cell(at) {
      cell = at;
      show();
    },
    toggle(token) {
      const held = pinned();
      if (held && keyOf(held) === keyOf(token)) store.set({ target_index: null, source_index: null });
      else pin(token);
    },
    pin,
    unpin: () => store.set({ target_index: null, source_index: null }),
    pinned,
    sceneChanged() {
      const scene = events.scene();
      if (scene !== exactOf) {
        // Units of another scene are other tokens; the pin is kept in positions and survives.
        if (scene?.source !== exactOf?.source || scene?.target !== exactOf?.target) {
          hovered = null;
          cell = null;
        }
        exact = new Map();
        exactOf = scene;
      }
      show();
    },
  };
}
