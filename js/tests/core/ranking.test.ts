// Ranks of heads by value, ties, and means of layers.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { isFlat, layerMeans, lowestFirst, type Ranked, rankHeads, rankText } from "../../src/core/ranking";
import { standingText } from "../../src/heads/standing";

const values = [
  [0.5, null],
  [0.1, 0.9],
];
const order = (ranked: readonly Ranked[]) => ranked.map((entry) => entry.head.join(""));
const ranks = (ranked: readonly Ranked[]) => ranked.map(rankText);

describe("ranking", () => {
  it("counts from the lowest value where lower is better, with the highest first all the same", () => {
    const ranked = rankHeads(values, "lower");
    expect(order(ranked)).toEqual(["11", "00", "10", "01"]);
    expect(ranks(ranked)).toEqual(["3", "2", "1", "–"]);
    expect(ranks(rankHeads([[2, 0, 0, 5]], "lower"))).toEqual(["4", "3", "1=", "1="]);
    expect(standingText(ranked, [[1, 0]])).toBe("L1 H0: 0.100, rank 1 of 3");
    expect([isFlat(ranked), isFlat(rankHeads([[1, 1, null]], "lower"))]).toEqual([false, true]);
  });

  it("counts from the highest value, undefined last either way", () => {
    expect(order(rankHeads(values))).toEqual(["11", "00", "10", "01"]);
    expect(ranks(rankHeads(values))).toEqual(["1", "2", "3", "–"]);
    expect(order(lowestFirst(rankHeads(values)))).toEqual(["10", "00", "11", "01"]);
  });

  it("gives equal values equal ranks, also where they differ by rounding", () => {
    const third = 1 / 3;
    expect(ranks(rankHeads([[2, third, 0, third + 1e-8, 0]]))).toEqual(["1", "2=", "2=", "4=", "4="]);
    expect(ranks(rankHeads([[1, 1.00001]]))).toEqual(["1", "2"]);
    expect(ranks(rankHeads([[-1, -1]]))).toEqual(["1=", "1="]);
  });

  it("does not chain small steps to one tie", () => {
    expect(ranks(rankHeads([[1, 1 + 7e-7, 1 + 1.4e-6]]))).toEqual(["1=", "1=", "3"]);
  });

  it("knows where all heads are equal", () => {
    const flat = (row: (number | null)[]) => isFlat(rankHeads([row]));
    expect([flat([1, 1, null]), flat([1, 2]), flat([1]), flat([]), flat([null, null])]).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  it("averages the defined scores of a layer", () => {
    expect(layerMeans([...values, [null, null]])).toEqual([0.5, 0.5, null]);
    expect(layerMeans([[Number.NaN, 1]])).toEqual([1]);
  });
});

describe("the standing of the picked heads", () => {
  const ranked = rankHeads(values);
  it("has the value and the rank of one, and the mean of several", () => {
    expect(standingText(ranked, [[0, 0]])).toBe("L0 H0: 0.500, rank 2 of 3");
    expect(standingText(ranked, [[0, 1]])).toBe("L0 H1: undefined");
    expect(
      standingText(ranked, [
        [1, 0],
        [1, 1],
      ]),
    ).toBe("mean of 2 heads: 0.500");
    expect(
      standingText(ranked, [
        [0, 1],
        [1, 1],
      ]),
    ).toBe("mean of 2 heads: 0.900 (1 undefined)");
    expect(standingText(ranked, [])).toBe("");
  });

  it("says where all heads are equal", () => {
    const flat = rankHeads([[1, 1]]);
    expect(standingText(flat, [[0, 0]])).toBe("L0 H0: 1.000, all heads are equal");
  });
});
