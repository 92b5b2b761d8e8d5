// Patches of a picture, the regions that they form, and what a row reads of them.
import { describe, expect, it } from "vitest";
import { fewest } from "../../../src/core/fewest";
import {
  around,
  neighborOf,
  patchAt,
  patchesIn,
  patchesOf,
  type Rect,
} from "../../../src/core/picture/patches";
import { regionsOf } from "../../../src/core/picture/regions";
import { countedUnits, outsideName, readersOf, readRow, strongestOf } from "../../../src/core/picture/rows";
import { axis, scene } from "../../helpers";

/** Patches of 10 x 10 pixels, row by row. */
function grid(rows: number, columns: number): [number, number, number, number][] {
  return Array.from({ length: rows * columns }, (_, i) => {
    const [x, y] = [10 * (i % columns), 10 * Math.floor(i / columns)];
    return [x, y, x + 10, y + 10];
  });
}

const rect = ([left, top, right, bottom]: number[]) => ({ left, top, right, bottom }) as Rect;

describe("patches", () => {
  const patches = patchesOf([null, ...grid(2, 3), [5, 5], [4, 0, 4, 9]], null);

  it("are the units with a place of four sides and an area", () => {
    expect(patches.units).toEqual([1, 2, 3, 4, 5, 6]);
    expect([...patches.ofUnit]).toEqual([-1, 0, 1, 2, 3, 4, 5, -1, -1]);
    expect(patches.size).toEqual({ width: 30, height: 20 });
    expect(patchesOf(grid(1, 1), { width: 64, height: 48 }).size).toEqual({ width: 64, height: 48 });
  });

  it("are found at a point, the smallest first, and in a box by their middles", () => {
    expect(patchAt(patches, 15, 12)).toBe(4);
    expect(patchAt(patches, 30, 12)).toBe(-1);
    expect(patchAt(patchesOf([[0, 0, 30, 30], ...grid(1, 1)], null), 3, 3)).toBe(1);
    expect(patchesIn(patches, rect([4, 4, 16, 14]))).toEqual([0, 1]);
  });

  it("have neighbors in four directions, and stay where there is none", () => {
    expect(neighborOf(patches, 0, [1, 0])).toBe(1);
    expect(neighborOf(patches, 1, [0, 1])).toBe(4);
    expect(neighborOf(patches, 5, [0, -1])).toBe(2);
    expect(neighborOf(patches, 3, [-1, 0])).toBe(3);
  });
});

describe("regions", () => {
  it("are patches that touch, at corners too", () => {
    const rects = [rect([0, 0, 10, 10]), rect([10, 10, 20, 20]), rect([40, 0, 50, 10])];
    const { regions } = regionsOf(rects);
    expect(regions.map(({ members }) => members)).toEqual([[0, 1], [2]]);
    expect(regions[0]?.box).toEqual(rect([0, 0, 20, 20]));
  });

  it("have a boundary without the edges between their patches, as long as that of the cells one by one", () => {
    // Deterministic pseudo-random sets of cells of a grid, compared with counting borders cell by cell.
    let state = 1;
    const random = () => {
      state = (state * 48271) % 2147483647;
      return state / 2147483647;
    };
    for (let trial = 0; trial < 40; trial++) {
      const chosen = Array.from({ length: 6 }, () => Array.from({ length: 7 }, () => random() < 0.5));
      const places = grid(6, 7).filter((_, i) => chosen[Math.floor(i / 7)]?.[i % 7]);
      // Rounding, as in places that were computed.
      const rects = places.map((place) => rect(place.map((side) => side + 1e-4 * random())));
      let borders = 0;
      const at = (row: number, column: number) => chosen[row]?.[column] ?? false;
      for (let row = -1; row < 6; row++)
        for (let column = -1; column < 7; column++) {
          if (at(row, column) !== at(row, column + 1)) borders++;
          if (at(row, column) !== at(row + 1, column)) borders++;
        }
      const { edges, regions } = regionsOf(rects);
      const length = edges.reduce(
        (sum, { x1, y1, x2, y2 }) => sum + Math.abs(x2 - x1) + Math.abs(y2 - y1),
        0,
      );
      expect(length).toBeCloseTo(10 * borders, 1);
      expect(regions.flatMap(({ members }) => members).sort((a, b) => a - b)).toEqual(rects.map((_, i) => i));
    }
  });

  it("of no patches are none", () => {
    expect(regionsOf([])).toEqual({ regions: [], edges: [] });
  });
});

describe("a row", () => {
  const source = {
    ...axis(["[CLS]", "a", "b", "c", "d", "[register 0]", "[register 1]", "to"], [0, 5, 6]),
    kind: [...Array(7).fill("image"), "text"] as ("image" | "text")[],
    places: [null, ...grid(2, 2), null, null, null],
  };
  const made = scene(axis(["x", "y", "</s>"], [2]), source, [
    ...[0.1, 0.4, 0.2, 0, 0.1, 0.05, 0.05, 0.1],
    ...[0, 0, 0, 0, 1, 0, 0, 0],
    ...[1, 0, 0, 0, 0, 0, 0, 0],
  ]);
  const patches = patchesOf(made.source.places, null);

  it("tells the weight in the picture from that outside, by name", () => {
    const row = readRow(made, patches, 0);
    expect([...row.values].map((value) => Math.round(100 * value))).toEqual([40, 20, 0, 10]);
    expect(row.inside).toBeCloseTo(0.7);
    expect(row.total).toBeCloseTo(1);
    expect(row.outside.map(({ name, weight }) => [name, Math.round(100 * weight)])).toEqual([
      ["CLS", 10],
      ["registers", 10],
      ["text", 10],
    ]);
    expect(outsideName(made, 7)).toBe("text");
  });

  it("of no word is the mean of the words that are not special", () => {
    expect(countedUnits(made)).toEqual([0, 1]);
    const row = readRow(made, patches, null);
    expect([...row.values].map((value) => Math.round(100 * value))).toEqual([20, 10, 0, 55]);
  });

  it("has its strongest place around the fewest patches that hold half", () => {
    const row = readRow(made, patches, 0);
    expect(fewest(row.values, 0.5)).toEqual([0]);
    expect(fewest(row.values, 0.8)).toEqual([0, 1]);
    const strongest = strongestOf(row, patches, fewest(row.values, 0.8));
    expect(strongest?.box).toEqual(around([rect([0, 0, 10, 10]), rect([10, 0, 20, 10])]));
    expect(strongest?.weight).toBeCloseTo(0.6);
    const nowhere = readRow(made, patches, 2);
    expect(fewest(nowhere.values, 0.5)).toEqual([]);
    expect(strongestOf(nowhere, patches, [])).toBeNull();
  });

  it("is found again from the picture", () => {
    expect([...readersOf(made, patches, [0, 3])].map((value) => Math.round(100 * value))).toEqual([
      50, 100, 0,
    ]);
  });

  it("takes no more of equal patches than it needs", () => {
    const even = scene(
      ["x"],
      { ...source, special: source.special.map(() => false) },
      [0, 0.25, 0.25, 0.25, 0.25, 0, 0, 0],
    );
    expect(fewest(readRow(even, patches, 0).values, 0.5)).toEqual([0, 1]);
  });
});
