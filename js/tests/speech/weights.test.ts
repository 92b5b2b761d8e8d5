// The weights that the view of sound shows, against plain formulas.
import { describe, expect, it } from "vitest";
import { makeUnits, type Units } from "../../src/core/units";
import { hear } from "../../src/speech/weights";
import { axis } from "../helpers";

const [ROWS, SOURCE, HEARD] = [4, 12, 9];

/** Random rows that sum to 1. */
function head(seed: number): number[][] {
  let state = seed;
  const random = () => {
    state = (state * 16807) % 2147483647;
    return state / 2147483647;
  };
  return Array.from({ length: ROWS }, () => {
    const row = Array.from({ length: SOURCE }, () => random() ** 3);
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map((value) => value / sum);
  });
}

const heads = [head(1), head(2), head(3)];
const captured = heads.map((rows) => ({ weights: Float32Array.from(rows.flat()), outside: null }));
const heard = Array.from({ length: HEARD }, (_, i) => i);
const tokens = makeUnits(axis(["a", "b", "c", "d"]), { words: false, drop: "nothing" });
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
const mean = (values: number[]) => sum(values) / values.length;

const cropped = (rows: number[][]) =>
  rows.map((row) => row.slice(0, HEARD).map((value) => value / sum(row.slice(0, HEARD))));
function scored(rows: number[][]): number[][] {
  return rows.map((row) =>
    row.map((value, column) => {
      const all = rows.map((other) => other[column] ?? 0);
      const deviation = Math.sqrt(mean(all.map((one) => (one - mean(all)) ** 2)));
      return (value - mean(all)) / deviation;
    }),
  );
}
const filtered = (rows: number[][]) =>
  rows.map((row) =>
    row.map((_, column) => {
      const window = [-3, -2, -1, 0, 1, 2, 3].map((by) => {
        const place = Math.abs(column + by);
        return row[place < HEARD ? place : 2 * (HEARD - 1) - place] ?? 0;
      });
      return window.sort((a, b) => a - b)[3] ?? 0;
    }),
  );

function combined(change: (rows: number[][]) => number[][], how: (values: number[]) => number): number[] {
  const changed = heads.map(change);
  return (changed[0] ?? []).flatMap((row, t) =>
    row.map((_, s) => how(changed.map((rows) => rows[t]?.[s] ?? 0))),
  );
}

function expectValues(values: Float32Array, expected: number[]): void {
  expect(values.length).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(values[i]).toBeCloseTo(value, 4);
  });
}

describe("weights of sound", () => {
  const cases = [
    ["raw", (rows: number[][]) => rows],
    ["cropped", cropped],
    ["zscored", (rows: number[][]) => scored(cropped(rows))],
    ["filtered", (rows: number[][]) => filtered(scored(cropped(rows)))],
  ] as const;
  for (const [kind, change] of cases)
    it(`are ${kind} head by head, and then combined`, () => {
      const average = hear(captured, SOURCE, heard, tokens, kind, "mean");
      expectValues(average.values, combined(change, mean));
      expect(average.columns).toBe(kind === "raw" ? SOURCE : HEARD);
      expect(average.top).toBeCloseTo(Math.max(...combined(change, mean)), 4);
      const largest = hear(captured, SOURCE, heard, tokens, kind, "max");
      expectValues(
        largest.values,
        combined(change, (values) => Math.max(...values)),
      );
    });

  it("say how much of each row lies outside, by the kernel's numbers where there are any", () => {
    const expected = [0, 1, 2, 3].map((row) => mean(heads.map((rows) => sum(rows[row]?.slice(HEARD) ?? []))));
    expectValues(hear(captured, SOURCE, heard, tokens, "cropped", "mean").outside, expected);
    const told = captured.map(({ weights }) => ({ weights, outside: [0.1, 0.2, 0.3, 0.4] }));
    expectValues(hear(told, SOURCE, heard, tokens, "cropped", "max").outside, [0.1, 0.2, 0.3, 0.4]);
  });

  it("of a word are the mean over its rows, and dropped rows are left out", () => {
    const words: Units = makeUnits(axis(["<s>", "b", "c", "d"], [0], [-1, 0, 0, 1], ["bc", "d"]), {
      words: true,
      drop: "drop",
    });
    const whole = combined(cropped, mean);
    const row = (index: number) => whole.slice(index * HEARD, (index + 1) * HEARD);
    const expected = [...row(1).map((value, i) => (value + (row(2)[i] ?? 0)) / 2), ...row(3)];
    const { values, rows } = hear(captured, SOURCE, heard, words, "cropped", "mean");
    expect(rows).toBe(2);
    expectValues(values, expected);
  });

  it("of a row that attends to nothing inside are zero", () => {
    const outside = Float32Array.from({ length: ROWS * SOURCE }, (_, i) =>
      i % SOURCE === SOURCE - 1 ? 1 : 0,
    );
    const { values, outside: shares } = hear(
      [{ weights: outside, outside: null }],
      SOURCE,
      heard,
      tokens,
      "cropped",
      "mean",
    );
    expect([...values].every((value) => value === 0)).toBe(true);
    expect([...shares]).toEqual([1, 1, 1, 1]);
  });
});
