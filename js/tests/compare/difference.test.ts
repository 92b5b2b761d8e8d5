// Shared units of two scenes, and the difference of their weights.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { differenceOf, sharedUnits } from "../../src/compare/difference";
import { formatDifference, headsName } from "../../src/core/format";
import { differenceShade, makeDiverging, makeRamp } from "../../src/core/scales";
import { scene } from "../helpers";

describe("comparison", () => {
  it("pairs equal labels in order", () => {
    expect(sharedUnits(["a", "b", "c"], ["a", "b", "c"])).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
    ]);
    expect(sharedUnits(["I", "read", "a", "book", "."], ["I", "have", "read", "the", "book", "."])).toEqual([
      [0, 0],
      [1, 2],
      [3, 4],
      [4, 5],
    ]);
    expect(sharedUnits(["a"], ["b"])).toEqual([]);
    expect(sharedUnits([], ["b"])).toEqual([]);
  });

  it("is as long as the longest common subsequence by the plain recursion", () => {
    let seed = 7;
    const random = () => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed;
    };
    const longest = (a: string[], b: string[]): number => {
      if (a.length === 0 || b.length === 0) return 0;
      const [x, ...as] = a;
      const [y, ...bs] = b;
      return x === y ? 1 + longest(as, bs) : Math.max(longest(as, b), longest(a, bs));
    };
    for (let i = 0; i < 60; i++) {
      const words = () => Array.from({ length: random() % 7 }, () => "abc"[random() % 3] ?? "");
      const [a, b] = [words(), words()];
      const pairs = sharedUnits(a, b);
      expect(pairs.length).toBe(longest(a, b));
      expect(pairs.every(([i, j]) => a[i] === b[j])).toBe(true);
      expect(
        pairs.every(([i, j], k) => k === 0 || (i > (pairs[k - 1]?.[0] ?? 0) && j > (pairs[k - 1]?.[1] ?? 0))),
      ).toBe(true);
    }
  });

  it("subtracts over what both have", () => {
    const a = scene(["x", "y"], ["s", "t"], [0.9, 0.1, 0.2, 0.8]);
    const b = scene(["w", "y"], ["s", "t"], [0.5, 0.5, 0.6, 0.4]);
    const difference = differenceOf(a, b);
    expect(difference?.target.labels).toEqual(["y"]);
    expect([...(difference?.values ?? [])].map((value) => value.toFixed(2))).toEqual(["-0.40", "0.40"]);
    expect(difference?.top).toBeCloseTo(0.4);
    expect(differenceOf(a, scene(["q"], ["s", "t"], [0, 1]))).toBeNull();
  });

  it("colors no difference like the background, in both themes, and the signs apart", () => {
    for (const [dark, ground] of [
      [false, [255, 255, 255]],
      [true, [21, 24, 29]],
    ] as const) {
      const ramp = makeDiverging(ground, dark);
      const middle = ramp.colors[128] ?? [0, 0, 0];
      for (const k of [0, 1, 2] as const) expect(Math.abs(middle[k] - ground[k])).toBeLessThan(6);
      const [low, high] = [ramp.colors[20] ?? [0, 0, 0], ramp.colors[235] ?? [0, 0, 0]];
      expect(low[0]).toBeGreaterThan(low[2]);
      expect(high[2]).toBeGreaterThan(high[0]);
    }
    expect([
      differenceShade(0, 1),
      differenceShade(-1, 1),
      differenceShade(1, 1),
      differenceShade(0, 0),
    ]).toEqual([0.5, 0, 1, 0.5]);
    expect(makeRamp([255, 255, 255], false).colors[0]).toEqual([255, 255, 255]);
    expect([formatDifference(0.001), formatDifference(-0.2), formatDifference(0.2)]).toEqual([
      "0.00",
      "−0.20",
      "+0.20",
    ]);
  });

  it("names picks in few words", () => {
    expect(headsName([[1, 2]], "mean", 8)).toBe("layer 1, head 2");
    expect(
      headsName(
        [
          [1, 0],
          [1, 1],
        ],
        "mean",
        2,
      ),
    ).toBe("layer 1, mean of all heads");
    expect(
      headsName(
        [
          [1, 0],
          [1, 1],
        ],
        "max",
        8,
      ),
    ).toBe("max of 2 heads of layer 1");
    expect(
      headsName(
        [
          [1, 0],
          [2, 1],
        ],
        "max",
        8,
      ),
    ).toBe("max of 2 heads");
  });
});
