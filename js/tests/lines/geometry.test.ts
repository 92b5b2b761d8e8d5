// Slots, lines and their filters.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { cellAt, labelStep } from "../../src/core/heat/layout";
import { centerOf, crosses, slotAt, stretchedSlots, uniformSlots } from "../../src/lines/geometry";
import { collectLines, linesOfToken } from "../../src/lines/selection";

/** One set's cuts, by weight alone. */
const from = (threshold: number, rows = 8) => [new Float32Array(rows).fill(threshold)];

describe("geometry", () => {
  it("finds slots by position", () => {
    const slots = stretchedSlots([10, 30, 20], 90);
    expect([...slots.edges]).toEqual([0, 20, 60, 90]);
    expect([0, 19, 20, 89, 90, -1].map((at) => slotAt(slots, at))).toEqual([0, 0, 1, 2, -1, -1]);
    expect(centerOf(uniformSlots(3, 24), 1)).toBe(36);
    expect(slotAt(uniformSlots(0, 24), 0)).toBe(-1);
  });

  it("finds cells", () => {
    expect(cellAt(25, 5, 10, 10, 3, 3)).toEqual([0, 2]);
    expect(cellAt(31, 5, 10, 10, 3, 3)).toBeNull();
    expect(cellAt(-1, 5, 10, 10, 3, 3)).toBeNull();
  });

  it("collects lines above the threshold, weakest first, never of weight zero", () => {
    const lines = collectLines([Float32Array.from([0, 0.5, 0.25, 0.75])], 2, from(0), 10);
    expect([...lines.weight]).toEqual([0.25, 0.5, 0.75]);
    expect([...lines.target]).toEqual([1, 0, 1]);
    expect([...lines.source]).toEqual([0, 1, 1]);
    expect(collectLines([Float32Array.from([0.1, 0.5])], 2, from(0.2), 10).found).toBe(1);
  });

  it("keeps the strongest lines under the cap and says how many there were", () => {
    const weights = Float32Array.from({ length: 1000 }, (_, i) => i / 1000);
    const lines = collectLines([weights], 100, from(0, 10), 50);
    expect(lines.found).toBe(999);
    expect(lines.weight.length).toBeLessThanOrEqual(50);
    expect(lines.weight.length).toBeGreaterThan(40);
    expect(Math.min(...lines.weight)).toBeGreaterThan(0.94);
  });

  it("takes the lines of one token from either side", () => {
    const matrix = Float32Array.from([0.5, 0.1, 0.2, 0.3]);
    expect([...linesOfToken([matrix], 2, "target", 1, from(0.25)).source]).toEqual([1]);
    expect([...linesOfToken([matrix], 2, "source", 0, from(0)).target]).toEqual([1, 0]);
  });

  it("culls lines outside the window and thins labels", () => {
    expect([crosses(-10, -5, 0, 100), crosses(-10, 200, 0, 100)]).toEqual([false, true]);
    expect([labelStep(20, 15), labelStep(5, 15), labelStep(4, 15)]).toEqual([1, 3, 4]);
  });
});
