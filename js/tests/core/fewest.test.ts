// The fewest weights that hold a share: the cases of fewest_cases.json, which Python's test has too.
import { describe, expect, it } from "vitest";
import { fewest, leastOf } from "../../src/core/fewest";
import cases from "./fewest_cases.json";

describe("the fewest weights that hold a share", () => {
  it("are those that Python chooses", () => {
    for (const { values, share, chosen } of cases) {
      const weights = Float32Array.from(values);
      const places = fewest(weights, share).sort((a, b) => a - b);
      expect(places).toEqual(chosen);
      const smallest = Math.min(...places.map((place) => weights[place] as number));
      expect(leastOf(weights, share)).toBe(smallest);
    }
  });

  it("are counted within a part of the values", () => {
    expect(leastOf(Float32Array.of(9, 0.5, 0.25, 0.25, 9), 0.75, 1, 4)).toBe(0.25);
    expect(leastOf(Float32Array.of(9, 0.5, 0.25, 0.25, 9), 0.5, 1, 4)).toBe(0.5);
  });
});
