// The comparison over pictures: which words and patches are the same on both sides, and how differences are drawn.
import { describe, expect, it } from "vitest";
import { pictured } from "../../src/compare/pictured";
import { lackText, wholeOf } from "../../src/compare/pictures";
import { paintDifferences } from "../../src/core/picture/heat";
import { patchesOf, type Rect } from "../../src/core/picture/patches";
import type { Box, Surface } from "../../src/core/surface";
import type { Theme } from "../../src/core/theme";
import { axis, scene } from "../helpers";

const ROW: number[][] = [
  [0, 0, 10, 10],
  [10, 0, 20, 10],
  [20, 0, 30, 10],
];

function side(places: number[][], target: string[], weights: number[]) {
  const source = { ...axis(places.map((place) => place.join(","))), kind: "image" as const, places };
  const made = scene(target, source, weights);
  return { scene: made, side: { picture: null, patches: patchesOf(made.source.places, null) } };
}

const a = side(ROW, ["x", "y"], [0.5, 0.25, 0.25, 0, 0, 1]);
/** The same patches from right to left, give or take rounding, and another word in front. */
const b = side(
  [...ROW].reverse().map((place) => place.map((edge) => edge + 0.1)),
  ["w", "y"],
  [1, 0, 0, 0.5, 0.25, 0.25],
);

describe("two picks over their pictures", () => {
  const compare = (unit: number | null) => pictured([a.scene, b.scene], [a.side, b.side], unit);

  it("differ by the weights of the same word on the same patches", () => {
    const { values, difference, top } = compare(1);
    expect([...(values[1] ?? [])]).toEqual([0.5, 0.25, 0.25]);
    expect([...(difference?.second ?? [])]).toEqual([2, 1, 0]);
    expect([...(difference?.values ?? [])]).toEqual([-0.25, -0.25, 0.5]);
    expect([top, difference?.top]).toEqual([1, 0.5]);
  });

  it("have no difference in a word that the other lacks, nor on other patches", () => {
    const without = compare(0);
    expect([without.values[1], without.difference]).toEqual([null, null]);
    expect(lackText(without)).toBe("B has no such word.");
    const c = side([[0, 0, 30, 5]], ["y"], [1]);
    const elsewhere = pictured([a.scene, c.scene], [a.side, c.side], 1);
    expect(elsewhere.values[1]).not.toBeNull();
    expect(lackText(elsewhere)).toBe("A and B have no patches in common.");
    expect(wholeOf(elsewhere, 2, 0.5, { dark: false } as Theme)).toBeNull();
  });

  it("are the means of their own words where none is chosen, or one that is gone", () => {
    for (const unit of [null, 7]) {
      const { values, unit: shown } = compare(unit);
      expect(shown).toBeNull();
      expect([...values[0]]).toEqual([0.25, 0.125, 0.625]);
      expect([...(values[1] ?? [])]).toEqual([0.75, 0.125, 0.125]);
    }
  });
});

describe("differences over a picture", () => {
  it("are blue where the first has more, orange where the second has, and fainter the smaller", () => {
    for (const onDark of [false, true]) {
      const drawn: [Box, string, number][] = [];
      const surface = {
        fill: (box: Box, color: string, opacity: number) => drawn.push([box, color, opacity]),
      } as unknown as Surface;
      const rects = a.side.patches.rects;
      const values = Float32Array.from([-0.4, 0, 0.1]);
      const boxOf = ({ left, top, right, bottom }: Rect) => ({
        x: left,
        y: top,
        width: right - left,
        height: bottom - top,
      });
      paintDifferences(surface, { rects, values, top: 0.4, least: 0, opacity: 0.8, onDark }, boxOf);
      const channels = (color: string) => color.match(/\d+/g)?.map(Number) ?? [];
      const [blue, orange] = drawn.map(([, color]) => channels(color));
      expect(drawn.map(([{ x }]) => x)).toEqual([20, 0]);
      expect(blue?.[2]).toBeGreaterThan(blue?.[0] ?? 255);
      expect(orange?.[0]).toBeGreaterThan(orange?.[2] ?? 255);
      expect(drawn.map(([, , opacity]) => opacity)).toEqual([0.4, 0.8]);
    }
  });
});
