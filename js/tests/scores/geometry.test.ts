// Axes and dots of the scatter plot.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { dotsOf, nextDot, niceScale, position, scrollToColumn } from "../../src/scores/geometry";

describe("scatter", () => {
  it("ends its axes at round numbers around all values", () => {
    for (const values of [
      [0.278, 0.85],
      [3, 3],
      [0, 0],
      [-12, 40],
      [1e-7, 2e-7],
    ]) {
      const scale = niceScale(values);
      expect(scale.low).toBeLessThanOrEqual(Math.min(...values));
      expect(scale.high).toBeGreaterThanOrEqual(Math.max(...values));
      expect(scale.ticks[0]).toBeCloseTo(scale.low, 12);
      expect(scale.ticks.length).toBeLessThan(9);
      expect(position(scale.high, scale, 100)).toBeCloseTo(100);
    }
  });

  it("has a dot where both scores are defined, and walks to the next one", () => {
    const dots = dotsOf(
      [
        [1, null],
        [2, 3],
      ],
      [
        [1, 2],
        [Number.NaN, 4],
      ],
    );
    expect(dots.map(({ head }) => head)).toEqual([
      [0, 0],
      [1, 1],
    ]);
    const places = [
      { x: 0, y: 0 },
      { x: 10, y: 1 },
      { x: 5, y: 20 },
      { x: 0, y: 0 },
    ];
    expect([
      nextDot(places, 0, "ArrowDown"),
      nextDot(places, 1, "ArrowLeft"),
      nextDot(places, 1, "ArrowRight"),
    ]).toEqual([3, 0, null]);
    expect(nextDot(places, 3, "ArrowRight")).toBe(1);
    // Every dot can be reached from every other.
    const seen = new Set([0]);
    for (const at of seen)
      for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]) {
        const next = nextDot(places, at, key);
        if (next !== null) seen.add(next);
      }
    expect(seen.size).toBe(4);
  });
});

describe("the table of scores", () => {
  // The column of the heads is 50 wide, and four scores of 100 follow it.
  const columns = [50, 150, 250, 350].map((left) => ({ left, width: 100 }));
  const scroll = (index: number, from: number) =>
    scrollToColumn(columns, index, { scroll: from, before: 50, width: 280 });

  it("scrolls so that a score is in sight and none is covered in part", () => {
    expect([0, 1, 2, 3].map((index) => scroll(index, 0))).toEqual([0, 0, 100, 200]);
    expect([0, 1, 2, 3].map((index) => scroll(index, 200))).toEqual([0, 0, 200, 200]);
    // It was scrolled by hand, or the columns became wider.
    expect(scroll(2, 130)).toBe(100);
  });
});
