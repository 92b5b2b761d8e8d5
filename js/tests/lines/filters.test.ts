// Which lines are kept, and the overview of a long sentence.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { scaledSlots, uniformSlots } from "../../src/lines/geometry";
import { collectLines, rowCuts, strongest } from "../../src/lines/selection";

describe("filters of lines", () => {
  const row = Float32Array.from([0.1, 0.5, 0.1, 0.3, 0.25, 0.25, 0.25, 0.25]);
  const filter = { threshold: 0.2, top_k: 2, mass: 0.8 };
  const kept = (keep: "threshold" | "top" | "mass", more = {}) => {
    const cuts = rowCuts(row, 4, { ...filter, keep, ...more });
    return [0, 1].map(
      (r) => [...row.slice(r * 4, r * 4 + 4)].filter((weight) => weight >= (cuts[r] ?? 0)).length,
    );
  };

  it("keep by weight, by rank and by mass, equals together", () => {
    expect(kept("threshold")).toEqual([2, 4]);
    expect(kept("top")).toEqual([2, 4]);
    expect(kept("mass")).toEqual([2, 4]);
    expect(kept("mass", { mass: 0.5 })).toEqual([1, 4]);
    expect(kept("mass", { mass: 1 })).toEqual([4, 4]);
    expect(kept("top", { top_k: 100 })).toEqual([4, 4]);
    expect(kept("mass", { mass: 0 })).toEqual([0, 0]);
  });
});

describe("overview", () => {
  it("keeps the strongest lines and shrinks the places of tokens", () => {
    const row = Float32Array.from([0.1, 0.4, 0.2, 0.3]);
    const lines = collectLines([row], 4, [new Float32Array(1)], 100);
    expect([...strongest(lines, 2).weight].map((weight) => weight.toFixed(1))).toEqual(["0.3", "0.4"]);
    expect([...strongest(lines, 9).source]).toEqual([0, 2, 3, 1]);
    expect([...scaledSlots(uniformSlots(3, 24), 0.25).edges]).toEqual([0, 6, 12, 18]);
  });
});
