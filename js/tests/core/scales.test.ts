// Scales of color.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import {
  headColors,
  MAX_HEAD_COLORS,
  makeRamp,
  parseColor,
  type RGB,
  scoreDomain,
  shade,
} from "../../src/core/scales";

describe("scales", () => {
  const light = ([r, g, b]: RGB) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

  it("starts at the background and grows evenly away from it", () => {
    for (const dark of [false, true]) {
      const background: RGB = dark ? [21, 24, 29] : [255, 255, 255];
      const ramp = makeRamp(background, dark);
      expect(ramp.colors[0]).toEqual(background);
      const steps = ramp.colors.map(light);
      for (let i = 1; i < steps.length; i++)
        expect(((steps[i] ?? 0) - (steps[i - 1] ?? 0)) * (dark ? 1 : -1)).toBeGreaterThan(-1.5);
      expect(Math.abs((steps[255] ?? 0) - (steps[0] ?? 0))).toBeGreaterThan(150);
    }
  });

  it("has seven distinct head colors in both themes", () => {
    for (const dark of [false, true]) expect(new Set(headColors(dark)).size).toBe(MAX_HEAD_COLORS);
  });

  it("reads colors as browsers write them", () => {
    expect(parseColor("rgb(1, 2, 3)")).toEqual([1, 2, 3]);
    expect(parseColor("#0a0b0c")).toEqual([10, 11, 12]);
    expect(parseColor("color(srgb 1 0 0.5)")).toEqual([255, 0, 127.5]);
    expect(parseColor("nonsense")).toBeNull();
  });

  it("takes the domain of the defined scores", () => {
    expect(
      scoreDomain([
        [null, 2],
        [1, Number.NaN],
      ]),
    ).toEqual({ low: 1, high: 2 });
    expect(scoreDomain([[null]])).toBeNull();
    expect(shade(3, { low: 3, high: 3 })).toBe(0.5);
  });
});
