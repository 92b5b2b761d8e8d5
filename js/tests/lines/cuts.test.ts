// Cuts of rows against sorting each row as a whole.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { rowCuts } from "../../src/lines/cuts";

const filter = { keep: "top", threshold: 0.05, top_k: 3, mass: 0.9 } as const;
const WIDTH = 31;

/** Rows of many small weights and a few large ones, with ties. */
function rows(count: number): Float32Array {
  let state = 7;
  const next = () => {
    state = (state * 16807) % 2147483647;
    return Math.round((state / 2147483647) ** 4 * 64) / 64;
  };
  return Float32Array.from({ length: count * WIDTH }, next);
}

function sortedRow(matrix: Float32Array, row: number): number[] {
  return [...matrix.subarray(row * WIDTH, (row + 1) * WIDTH)].sort((a, b) => b - a);
}

describe("cuts", () => {
  const matrix = rows(40);

  it.each([1, 2, 3, 8, 9, 30, 31, 500])("keep the %i strongest", (top_k) => {
    rowCuts(matrix, WIDTH, { ...filter, top_k }).forEach((cut, row) => {
      expect(cut).toBe(sortedRow(matrix, row)[Math.min(top_k, WIDTH) - 1]);
    });
  });

  it.each([0.01, 0.5, 0.9, 0.999, 1])("keep the share %f of the mass", (mass) => {
    rowCuts(matrix, WIDTH, { ...filter, keep: "mass", mass }).forEach((cut, row) => {
      const sorted = sortedRow(matrix, row);
      const wanted = sorted.reduce((sum, weight) => sum + weight, 0) * mass - 1e-6;
      const kept = sorted.filter((weight) => weight >= cut);
      const fewer = sorted.filter((weight) => weight > cut);
      const sum = (values: number[]) => values.reduce((total, weight) => total + weight, 0);
      expect(sum(kept)).toBeGreaterThanOrEqual(wanted);
      expect(sum(fewer)).toBeLessThan(wanted);
    });
  });

  it("keep nothing of a row without mass, and of no row at all", () => {
    expect([...rowCuts(new Float32Array(3), 3, { ...filter, keep: "mass" })]).toEqual([
      Number.POSITIVE_INFINITY,
    ]);
    expect([...rowCuts(new Float32Array(0), 0, filter)]).toEqual([]);
    expect(rowCuts(Float32Array.of(0.5), 1, { ...filter, keep: "threshold" })[0]).toBeCloseTo(0.05);
  });
});
