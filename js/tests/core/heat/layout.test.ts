// Windows of heat maps: cells, labels and scrolling.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { heatLayout, scrollTo, shownLabels, visibleRange } from "../../../src/core/heat/layout";

describe("heat map windows", () => {
  const room = { width: 800, height: 500, leftLabels: 60, topLabels: 50 };

  it("fits what fits, and enlarges what is too small to read", () => {
    const small = heatLayout(5, 5, room, false);
    expect([small.cell.width, small.cell.height]).toEqual([64, 40]);
    const large = heatLayout(512, 512, room, false);
    expect(large.cell.width).toBeLessThan(2);
    const enlarged = heatLayout(512, 512, room, true);
    expect([enlarged.cell.width, enlarged.cell.height]).toEqual([26, 18]);
    expect(enlarged.width).toBe(60 + 512 * 26);
  });

  it("makes the rows of maps that stand side by side equally high", () => {
    const few = heatLayout(3, 8, { ...room, rowsBeside: 25 }, false);
    const many = heatLayout(25, 8, { ...room, rowsBeside: 25 }, false);
    expect([few.cell.height, few.height]).toEqual([many.cell.height, 50 + 3 * many.cell.height]);
    expect(heatLayout(3, 8, room, false).cell.height).toBe(40);
  });

  it("names the visible cells, none outside the map", () => {
    expect(visibleRange(0, 100, 10, 50)).toEqual([0, 10]);
    expect(visibleRange(95, 100, 10, 50)).toEqual([9, 20]);
    expect(visibleRange(450, 100, 10, 50)).toEqual([45, 50]);
    expect(visibleRange(900, 100, 10, 50)).toEqual([50, 50]);
  });

  it("shows labels that never touch, whatever the size of the cells", () => {
    for (let slot = 0.5; slot < 40; slot += 0.7)
      for (const count of [1, 2, 7, 100, 512]) {
        const shown = shownLabels(count, slot, 0, count);
        expect(shown.length).toBeGreaterThan(0);
        shown.forEach((index, i) => {
          expect(index).toBeGreaterThanOrEqual(0);
          expect(index).toBeLessThan(count);
          if (i > 0) expect((index - (shown[i - 1] ?? 0)) * slot).toBeGreaterThanOrEqual(15 - 1e-9);
        });
      }
    // The same labels stay while scrolling.
    const whole = shownLabels(512, 2, 0, 512);
    expect(shownLabels(512, 2, 100, 200)).toEqual(whole.filter((index) => index >= 100 && index < 200));
  });

  it("scrolls no further than a cell needs", () => {
    expect([scrollTo(100, 200, 150, 10), scrollTo(100, 200, 40, 10), scrollTo(100, 200, 295, 10)]).toEqual([
      100, 40, 105,
    ]);
  });
});
