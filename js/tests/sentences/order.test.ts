// The scores of sentences and their order.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { orderSentences, type Scored, scoreSentence, summarizeScores } from "../../src/sentences/order";

const values = [
  [1, 4],
  [null, 7],
];

describe("the score of a sentence", () => {
  it("is the mean of the picked heads' defined scores", () => {
    const score = (...heads: [number, number][]) => scoreSentence(0, heads, { values });
    expect(score([0, 1])).toEqual({ entry: 0, value: 4, problem: "" });
    expect(score([0, 0], [0, 1], [1, 0]).value).toBe(2.5);
    expect(score([1, 0])).toEqual({ entry: 0, value: null, problem: "undefined here" });
    expect(score([9, 9]).value).toBeNull();
  });

  it("is missing with its reason, or while it is unknown without one", () => {
    expect(scoreSentence(3, [[0, 0]], { error: "no" })).toEqual({ entry: 3, value: null, problem: "no" });
    expect(scoreSentence(3, [[0, 0]], undefined)).toEqual({ entry: 3, value: null, problem: "" });
  });
});

describe("the order", () => {
  const scored: Scored[] = [2, null, 5, 2, -1].map((value, entry) => ({ entry, value, problem: "" }));
  const entries = (order: "highest" | "lowest" | "given") =>
    orderSentences(scored, order).map(({ entry }) => entry);

  it("puts undefined scores last and keeps ties in the order of the list", () => {
    expect(entries("highest")).toEqual([2, 0, 3, 4, 1]);
    expect(entries("lowest")).toEqual([4, 0, 3, 2, 1]);
    expect(entries("given")).toEqual([0, 1, 2, 3, 4]);
  });

  it("is summarized by the defined scores", () => {
    expect(summarizeScores(scored)).toEqual({ low: -1, mean: 2, high: 5, count: 4 });
    expect(summarizeScores([{ entry: 0, value: null, problem: "no" }])).toBeNull();
  });
});
