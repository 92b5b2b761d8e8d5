// A scored corpus with a scripted kernel: a model of three sentences, two layers and two heads.

import type { HostedModel, ModelCallback } from "../../src/core/model";
import type { CorpusTraits, Quantity, RowsReply } from "../../src/corpus/contract";
import { createStaticModel } from "../../src/page/model";
import { state } from "../helpers";

export const HOSTILE = "<img src=x onerror=alert(1)>\u202egnol";

export function quantity(patch: Partial<Quantity> = {}): Quantity {
  return {
    name: "my_score",
    per_head: true,
    direction: "lower",
    lowest_first: false,
    signature: "my_score|v:1",
    description: "what I count",
    why: "",
    ...patch,
  };
}

export function corpusTraits(patch: Partial<CorpusTraits> = {}): CorpusTraits {
  return {
    info: {
      model: "Toy",
      what: "sentence",
      rows: 4,
      layers: 2,
      heads: 2,
      page: 2,
      logprob: "logprob_sum",
      notice: "",
      errors: ["1 source is empty"],
      quantities: [
        quantity(),
        quantity({
          name: "logprob_sum",
          per_head: false,
          direction: "higher",
          lowest_first: true,
          signature: "",
        }),
      ],
    },
    score_name: "my_score",
    head: null,
    lowest_first: false,
    search: "",
    row: null,
    theme: "light",
    _open: {},
    ...patch,
  };
}

const TEXTS = ["a b", HOSTILE, "c d"];

/** Rows 2, 1, 0 are ranked 1, 2, 3; row 3 has no value. */
function rowsFrom(start: number, search: string): RowsReply {
  const all = [2, 1, 0].map((row, index) => ({
    row,
    rank: index + 1,
    value: row === 2 ? "∞" : row / 2,
    logprob: row === 0 ? null : -row,
    source: TEXTS[row] ?? "",
    target: "x",
    name: `s${row}`,
  }));
  const found = all.filter(({ source }) => source.includes(search));
  return { start, found: found.length, ranked: 3, missing: 1, rows: found.slice(start, start + 2) };
}

export interface Asked {
  id: string;
  kind: string;
  name: string;
  start: number;
  row: number | null;
  query: { search: string; head: unknown; lowest_first: boolean; score_name: string };
}

export interface Kernel {
  model: HostedModel;
  asked: Asked[];
  traits: CorpusTraits;
  /** Sets traits as Python does. */
  tell(patch: Partial<CorpusTraits>): void;
  /** Answers everything with an error from now on; null ends that. */
  fail(error: string | null): void;
  listeners(): number;
}

export function kernel(patch: Partial<CorpusTraits> = {}, opened = new Map([["panel", true]])): Kernel {
  const traits = corpusTraits(patch) as CorpusTraits & { _app: string };
  traits._app = "corpus";
  const heard = new Map<string, Set<ModelCallback>>();
  const emit = (event: string, ...args: unknown[]) => {
    for (const call of [...(heard.get(event) ?? [])]) call(...args);
  };
  const asked: Asked[] = [];
  let failure: string | null = null;
  const panel = createStaticModel(state());
  const set = (name: string, value: unknown) => {
    (traits as unknown as Record<string, unknown>)[name] = value;
    emit(`change:${name}`);
  };

  function answer(request: Asked): [object, DataView[]] {
    if (failure !== null) return [{ error: failure }, []];
    if (request.kind === "rows") return [{ ...rowsFrom(request.start, request.query.search) }, []];
    if (request.kind === "values")
      return [
        {
          values: [
            [0.5, 1],
            [null, 0],
          ],
        },
        [],
      ];
    const [layers, heads] = request.name === "my_score" ? [2, 2] : [1, 1];
    const counts = Uint32Array.from({ length: layers * heads * 4 }, (_, i) => i % 4);
    const each = <T>(value: T) =>
      Array.from({ length: layers }, () => Array.from({ length: heads }, () => value));
    const reply = {
      low: 0,
      high: 1,
      shape: [layers, heads, 4],
      quartiles: each([0, 0.25, 0.5, 0.75, 1]),
      rows: each(3),
    };
    if (layers > 1) {
      reply.quartiles[1] = [[0, 0, 0, 0, 0], [null, null, null, null, null] as never];
      reply.rows[1] = [3, 0];
    }
    return [reply, [new DataView(counts.buffer)]];
  }

  const model = {
    get: (name: string) => (traits as unknown as Record<string, unknown>)[name],
    set,
    save_changes() {},
    on: (event: string, call: ModelCallback) =>
      void heard.set(event, (heard.get(event) ?? new Set()).add(call)),
    off: (event: string, call: ModelCallback) => void heard.get(event)?.delete(call),
    send(request: Asked) {
      asked.push(request);
      const [content, buffers] = answer(request);
      Promise.resolve().then(() => emit("msg:custom", { id: request.id, ...content }, buffers));
    },
    widget_manager: {
      get_model: async (id: string) => {
        if (!opened.has(id)) throw new Error("unknown");
        return panel;
      },
    },
  } as unknown as HostedModel;
  return {
    model,
    asked,
    traits,
    tell(patch) {
      for (const [name, value] of Object.entries(patch)) set(name, value);
    },
    fail(error) {
      failure = error;
    },
    listeners: () => [...heard.values()].reduce((total, calls) => total + calls.size, 0),
  };
}
