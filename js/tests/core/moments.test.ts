// Means and spreads of grids that arrive one after another.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { createMoments } from "../../src/core/moments";

function over(...values: (number | null)[]) {
  const moments = createMoments();
  for (const value of values) moments.add([[value]]);
  return [moments.mean()[0]?.[0], moments.spread()[0]?.[0]];
}

describe("moments", () => {
  it("are the mean and the sample standard deviation of each head", () => {
    expect(over(2, 4, 4, 4, 5, 5, 7, 9)).toEqual([5, expect.closeTo(Math.sqrt(32 / 7), 12)]);
    const moments = createMoments();
    moments.add([
      [1, 10],
      [0, 0],
    ]);
    moments.add([
      [3, 10],
      [0, 4],
    ]);
    expect(moments.mean()).toEqual([
      [2, 10],
      [0, 2],
    ]);
    expect(moments.spread()[0]?.[1]).toBe(0);
  });

  it("leave out what is undefined, and are undefined where nothing is left", () => {
    expect(over(null, 1, Number.NaN, 3)).toEqual([2, Math.SQRT2]);
    expect(over(null, null)).toEqual([null, null]);
    // One value says nothing about a spread.
    expect(over(null, 7)).toEqual([7, null]);
    expect(createMoments().mean()).toEqual([]);
  });

  it("keep the digits of a small spread around a large mean", () => {
    const [mean, spread] = over(1e9 + 1, 1e9 + 2, 1e9 + 3);
    expect([mean, spread]).toEqual([1e9 + 2, 1]);
  });
});
