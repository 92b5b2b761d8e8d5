// What is removed under each value of the setting "special", and how much weight it held.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import type { Axis, LayerReply, SentenceReply } from "../../src/core/contract";
import type { Data } from "../../src/core/data";
import { droppedShare } from "../../src/core/dropped_share";
import { type Drop, dropOf, droppedColumns, droppingNote } from "../../src/core/dropping";
import { inspectToken } from "../../src/core/inspect";
import { buildScene, exactWeightsOf } from "../../src/core/scene";
import { makeUnits } from "../../src/core/units";
import { axis } from "../helpers";

const marked = (of: Axis, ...positions: number[]): Axis => ({
  ...of,
  punctuation: of.labels.map((_, position) => positions.includes(position)),
});
const labels = ["Gut", "en", ",", "«", "ja", "</s>"];
const source = marked(axis(labels, [5], [0, 0, 1, 1, 2, -1], ["Guten", ",«", "ja"]), 2, 3);
const target = marked(axis(["yes", ".", "<b>"], [], [0, 0, 1], ["yes.", "<b>"]), 1);
// Sums of 1, so that bytes and exact weights can be compared.
const rows = [
  [0.1, 0.2, 0.1, 0.1, 0.1, 0.4],
  [0.5, 0, 0, 0, 0.5, 0],
  [0, 0, 0.3, 0.1, 0, 0.6],
];
const weights = Float32Array.from(rows.flat());
const data = {
  sentence: async (): Promise<SentenceReply> => ({
    source,
    target: { output: target, input: target },
    logprobs: null,
    generated: false,
    reference: null,
    reference_boxes: null,
    notes: [],
  }),
  layer: async (): Promise<LayerReply & { bytes: Uint8Array }> => ({
    shape: [1, 3, 6],
    bytes: Uint8Array.from(weights, (weight) => Math.round(255 * Math.sqrt(weight))),
  }),
  head: async () => weights,
  row: async (_sentence: number, _heads: unknown, row: number) => [Float32Array.from(rows[row] ?? [])],
} as unknown as Data;
const built = (drop: Drop, words = false, exact = true) =>
  buildScene(
    data,
    {
      sentence: 0,
      heads: [[0, 0]],
      aggregate: "mean",
      combined: true,
      words,
      drop,
      reading: "output",
      moved: [],
      divided: false,
    },
    new AbortController().signal,
    () => {},
    exact,
  );
const close = (values: Iterable<number>) => [...values].map((value) => Number(value.toFixed(3)));

describe("what is removed", () => {
  it("is nothing, special tokens, or punctuation as well", () => {
    expect((["show", "fade", "drop", "drop_punctuation"] as const).map(dropOf)).toEqual([
      "nothing",
      "nothing",
      "drop",
      "drop_punctuation",
    ]);
    const shown = (drop: Drop, words: boolean) => makeUnits(source, { words, drop }).labels;
    expect(shown("nothing", false)).toEqual(labels);
    expect(shown("drop", false)).toEqual(labels.slice(0, 5));
    expect(shown("drop_punctuation", false)).toEqual(["Gut", "en", "ja"]);
    // A word of punctuation alone goes; a word that only contains some stays, without the weight of it.
    expect(shown("drop_punctuation", true)).toEqual(["Guten", "ja"]);
    expect(makeUnits(target, { words: true, drop: "drop_punctuation" }).positions).toEqual([[0], [2]]);
  });

  it("is nothing of an axis without special tokens and punctuation, and what is outside a sound goes anyway", () => {
    expect(droppedColumns(axis(["a", "b"]), "drop_punctuation")).toBeNull();
    const sound: Axis = { ...axis(["0 s", "1 s"], [1]), kind: "audio" };
    expect(droppedColumns(sound, "drop_punctuation")).toBeNull();
    expect(makeUnits(sound, { words: false, drop: "nothing", crop: true }).labels).toEqual(["0 s"]);
  });

  it("leaves rows that sum to 1, and zeros for a row with nothing left", async () => {
    const scene = await built("drop_punctuation");
    expect(close(scene.aggregate)).toEqual([0.25, 0.5, 0.25, 0, 0, 0]);
    const merged = await built("drop_punctuation", true);
    expect(merged.target.labels).toEqual(["yes.", "<b>"]);
    expect(close(merged.aggregate)).toEqual([0.75, 0.25, 0, 0]);
    expect(close((await built("drop")).aggregate.subarray(0, 5))).toEqual([
      0.167, 0.333, 0.167, 0.167, 0.167,
    ]);
  });

  it("is the same for exact rows, and cannot be told from a single column", async () => {
    const scene = await built("drop_punctuation");
    expect(close((await exactWeightsOf(data, scene, "target", 0)) ?? [])).toEqual([0.25, 0.5, 0.25]);
    expect(await exactWeightsOf(data, scene, "source", 0)).toBeNull();
  });
});

describe("how much weight it held", () => {
  it("is a share of each row that is shown, and their mean", async () => {
    const [plain, special, both] = await Promise.all(
      (["nothing", "drop", "drop_punctuation"] as const).map((drop) => built(drop)),
    );
    expect(plain?.dropped).toBeNull();
    expect(close(special?.dropped ?? [])).toEqual([0.4, 0, 0.6]);
    expect(close(both?.dropped ?? [])).toEqual([0.6, 1]);
    expect(both && droppedShare(both)).toBeCloseTo(0.8, 5);
    const merged = await built("drop", true);
    expect(close(merged.dropped ?? [])).toEqual([0.2, 0.6]);
    expect(droppedShare(merged)).toBeCloseTo(1 / 3, 5);
    // From bytes it is as good as the numbers that are shown.
    expect(droppedShare(await built("drop_punctuation", false, false))).toBeCloseTo(0.8, 2);
  });

  it("is said of the sentence and of a row", async () => {
    expect(droppingNote("drop", null)).toBe("special tokens dropped, rows renormalized");
    expect(droppingNote("drop", 0.003)).toBe(
      "special tokens (less than 1% of the weight) dropped, rows renormalized",
    );
    expect(droppingNote("drop_punctuation", 0.8)).toBe(
      "special tokens and punctuation (80% of the weight) dropped, rows renormalized",
    );
    const facts = (scene: Awaited<ReturnType<typeof built>>) =>
      inspectToken(scene, { side: "target", unit: 0 }, null).facts;
    expect(facts(await built("nothing"))).toBe("");
    expect(facts(await built("drop"))).toBe("0.40 of its weight was on special tokens");
    expect(facts(await built("drop_punctuation"))).toBe(
      "0.60 of its weight was on special tokens and punctuation",
    );
  });
});
