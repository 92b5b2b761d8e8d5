// The readout, the search for tokens and the copying of a row: what reading needs beside the view.
import { copyText } from "../core/clipboard";
import { headsName } from "../core/format";
import type { Inspection, Token } from "../core/inspect";
import { errorText } from "../core/loader";
import { shapeOf } from "../core/picks";
import { exactWeightsOf, type Scene, weightsOf } from "../core/scene";
import type { Context } from "../core/view";
import { findTokens } from "./find";
import { createDetail } from "./readout";
import { rowText } from "./row_text";
import { createSearch } from "./search";

export interface Reader {
  detail: HTMLElement;
  search: HTMLElement;
  show(inspection: Inspection | null, pinned: boolean, hint: string): void;
  copy(token: Token): void;
  /** Searches again where the tokens changed. */
  draw(): void;
}

export interface ReaderEvents {
  found(tokens: readonly Token[]): void;
  /** Tells what was done, for all to see and hear. */
  tell(text: string): void;
  root(): HTMLElement;
}

export function createReader({ store, data, loader, active, signal }: Context, events: ReaderEvents): Reader {
  let shown: Token | null = null;
  let query = "";
  let matches: Token[] = [];
  let at = -1;
  let of: Scene | null = null;
  const detail = createDetail({ copy: () => shown && copy(shown) }, signal);
  const search = createSearch(
    {
      query(text) {
        query = text;
        at = -1;
        find();
      },
      next(by) {
        if (matches.length === 0) return;
        at = at < 0 ? (by > 0 ? 0 : matches.length - 1) : (at + by + matches.length) % matches.length;
        const token = matches[at];
        if (token) active.pin(token);
        search.show(matches.length, at);
      },
    },
    signal,
  );

  function find(): void {
    of = loader.scene;
    matches = of ? findTokens(of, query) : [];
    if (at >= matches.length) at = -1;
    search.show(matches.length, at);
    events.found(matches);
  }

  function copy(token: Token): void {
    const { scene } = loader;
    if (scene) void copyRow(scene, token);
  }

  async function copyRow(scene: Scene, token: Token): Promise<void> {
    const { heads, aggregate, sentence } = scene.spec;
    const said = headsName(heads, aggregate, shapeOf(store.get("info"), sentence).heads);
    const exact = store.get("info").live
      ? await exactWeightsOf(data, scene, token.side, token.unit).catch(() => null)
      : null;
    if (signal.aborted) return;
    const weights = exact ?? weightsOf(scene, token.side, token.unit);
    try {
      await copyText(rowText(scene, token, weights, said), events.root());
      events.tell("Row copied.");
    } catch (error) {
      events.tell(`The row could not be copied: ${errorText(error)}.`);
    }
  }

  return {
    detail: detail.element,
    search: search.element,
    show(inspection, pinned, hint) {
      shown = inspection?.token ?? null;
      detail.show(inspection && { ...inspection, pinned }, hint);
    },
    copy,
    draw() {
      if (of?.source !== loader.scene?.source || of?.target !== loader.scene?.target) find();
    },
  };
}
