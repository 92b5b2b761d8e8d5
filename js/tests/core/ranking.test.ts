// Ranks of heads and means of layers.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { layerMeans, rankHeads } from "../../src/core/ranking";

describe("ranking", () => {
  const values = [
    [0.5, null],
    [0.1, 0.9],
  ];
  it("ranks by direction, undefined last", () => {
    const order = (direction: "higher" | "lower") =>
      rankHeads(values, direction).map((entry) => entry.head.join(""));
    expect(order("higher")).toEqual(["11", "00", "10", "01"]);
    expect(order("lower")).toEqual(["10", "00", "11", "01"]);
  });
  it("averages the defined scores of a layer", () => {
    expect(layerMeans([...values, [null, null]])).toEqual([0.5, 0.5, null]);
  });
});
