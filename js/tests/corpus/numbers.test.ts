import { describe, expect, it } from "vitest";
import type { DistributionReply } from "../../src/corpus/contract";
import {
  describeBin,
  formatValue,
  layersPerRow,
  orderNames,
  placeOf,
  sameRanked,
} from "../../src/corpus/numbers";
import { quantity } from "./kernel";

const reply: DistributionReply = {
  low: 0,
  high: 2,
  shape: [1, 1, 4],
  quartiles: [[[0, 0, 1, 2, 2]]],
  rows: [[2]],
};

describe("numbers of a corpus", () => {
  it("are written, whatever they are", () => {
    expect([0.5, "∞", null, -1].map(formatValue)).toEqual(["0.500", "∞", "–", "−1.000"]);
  });

  it("have a place between the ends, and none outside or where they are missing", () => {
    expect([0, 1, 2, 3, "∞", null, undefined].map((value) => placeOf(value, reply))).toEqual([
      0,
      0.5,
      1,
      null,
      null,
      null,
      null,
    ]);
    expect(placeOf(1, { ...reply, low: 1, high: 1 })).toBe(0.5);
    expect(placeOf(1, { ...reply, low: null })).toBe(null);
  });

  it("name the order that shows the worst first, where there is one", () => {
    expect(orderNames(quantity())).toEqual(["highest first (worst)", "lowest first"]);
    expect(orderNames(quantity({ direction: "higher", lowest_first: true }))[1]).toBe("lowest first (worst)");
    expect(orderNames(quantity({ direction: "" }))).toEqual(["highest first", "lowest first"]);
  });

  it("tell heads, layers and all heads apart", () => {
    expect(sameRanked([0, 1], [0, 1])).toBe(true);
    expect(sameRanked([0, 1], 0)).toBe(false);
    expect(sameRanked(0, null)).toBe(false);
    expect(sameRanked(null, null)).toBe(true);
  });

  it("fit many layers of many heads into a narrow cell, and few into a wide one", () => {
    expect(layersPerRow(600, 24, 16)).toBe(4);
    expect(layersPerRow(1300, 3, 8)).toBe(3);
    expect(layersPerRow(10, 24, 16)).toBe(1);
  });

  it("describe a bin of a histogram", () => {
    expect(describeBin(reply, Uint32Array.of(1, 0, 1000, 0), 0, "picture")).toBe(
      "from 0 to 0.500: 1 picture",
    );
    expect(describeBin(reply, Uint32Array.of(1, 0, 1000, 0), 2, "picture")).toBe(
      "from 1.000 to 1.500: 1,000 pictures",
    );
  });
});
