// What one hover costs: it reads the weights of one row or column, however large the matrix.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import type { Head } from "../../src/core/contract";
import { inspectToken } from "../../src/core/inspect";
import type { Scene } from "../../src/core/scene";
import { summaryOf } from "../../src/core/summary";
import { rowCuts } from "../../src/lines/cuts";
import { collectLines, linesOfToken } from "../../src/lines/selection";
import { scene } from "../helpers";

const SIZE = 512;

/** A matrix that counts the weights that are read from it, one by one or as a part. */
function counted(matrix: Float32Array, count: (reads: number) => void): Float32Array {
  return new Proxy(matrix, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof name === "string" && /^\d+$/.test(name)) count(1);
      if (name === "subarray")
        return (from: number, to: number) => {
          count(to - from);
          return target.subarray(from, to);
        };
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

describe("a hover at 512 x 512", () => {
  it("reads a few rows or columns of each head, not the whole matrix", () => {
    const names = Array.from({ length: SIZE }, (_, i) => `w${i}`);
    const weights = Float32Array.from({ length: SIZE * SIZE }, (_, i) => ((i * 37) % 101) / 5000);
    let reads = 0;
    const matrices = Array.from({ length: 4 }, () => counted(weights, (more) => (reads += more)));
    const [aggregate, ...sets] = matrices as [Float32Array, Float32Array, Float32Array, Float32Array];
    const large: Scene = {
      ...scene(names, names, []),
      spec: { ...scene([], [], []).spec, heads: sets.map((_, i): Head => [0, i]) },
      sets,
      aggregate,
    };
    const cuts = sets.map((matrix) =>
      rowCuts(matrix, SIZE, { keep: "threshold", threshold: 0.01, top_k: 3, mass: 0.9 }),
    );
    // What happens once for a scene.
    collectLines(sets, SIZE, cuts, 4000);
    summaryOf(large);
    expect(reads).toBeGreaterThan(SIZE * SIZE);
    reads = 0;
    for (const side of ["source", "target"] as const) {
      inspectToken(large, { side, unit: 100 }, null);
      linesOfToken(sets, SIZE, side, 100, cuts);
    }
    summaryOf(large);
    // On both sides the row or column of the aggregate and of three heads, and the cells of five partners.
    expect(reads).toBeLessThanOrEqual(2 * (4 * SIZE + 5 * 3));
  });
});
