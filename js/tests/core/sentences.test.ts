// Sentences of the list and their targets.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { firstEntries, listSentences, modelKey, unitCount } from "../../src/core/sentences";
import { sentenceInfo } from "../helpers";

const entries = (...groups: (number | undefined)[]) =>
  groups.map((group) => sentenceInfo(group === undefined ? {} : { group }));

describe("sentences", () => {
  it("are the groups of the list, wherever their entries stand", () => {
    // Two hypotheses, one sentence, and two results of experiments with the first.
    const list = entries(0, 0, 1, 0, 0);
    expect(listSentences(list)).toEqual({ targets: [[0, 1, 3, 4], [2]], places: [0, 0, 1, 0, 0] });
    expect(firstEntries(list)).toEqual([0, 2]);
    expect(listSentences(list)).toBe(listSentences(list));
  });

  it("are one each where entries have no group", () => {
    expect(listSentences(entries(undefined, undefined)).targets).toEqual([[0], [1]]);
    expect(listSentences([]).targets).toEqual([]);
  });

  it("are of one model where its name and shape are the same", () => {
    const keys = [{}, { layers: 3 }, { heads: 4 }, { model: "Other" }, {}].map((patch) =>
      modelKey(sentenceInfo(patch)),
    );
    expect(new Set(keys).size).toBe(4);
    expect(keys[0]).toBe(keys[4]);
  });

  it("have as many units as are shown", () => {
    const length = { positions: 9, words: 6, special: 1, punctuation: 3, punctuation_words: 2 };
    const counts = [false, true].flatMap((words) =>
      (["nothing", "drop", "drop_punctuation"] as const).map((drop) => unitCount(length, { words, drop })),
    );
    expect(counts).toEqual([9, 8, 5, 6, 5, 3]);
  });
});
