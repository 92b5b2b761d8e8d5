// Which lines are kept, and the overview of a long sentence.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { rowCuts } from "../../src/lines/cuts";
import { scaledSlots, uniformSlots } from "../../src/lines/geometry";
import {
  closeFilter,
  collectLines,
  type Filter,
  filterFor,
  filterText,
  strongest,
  WIDEST_BUNDLE,
} from "../../src/lines/selection";
import { scene } from "../helpers";

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

describe("the automatic choice of lines", () => {
  const auto: Filter = { keep: "auto", threshold: 0.05, top_k: 3, mass: 0.9 };
  /** A scene of so many source and target tokens, each target token with two sources, one of them stronger. */
  function sized(sources: number, targets: number) {
    const names = (count: number) => Array.from({ length: count }, (_, i) => `w${i}`);
    const weights = Array.from({ length: sources * targets }, (_, i) => [0.6, 0.4][i % sources] ?? 0);
    return scene(names(targets), names(sources), weights);
  }
  function drawnOf(sources: number, targets: number, filter: Filter) {
    const shown = sized(sources, targets);
    const kept = filterFor(shown, filter);
    const cuts = shown.sets.map((matrix) => rowCuts(matrix, sources, kept));
    const lines = collectLines(shown.sets, sources, cuts, 4000);
    return { count: lines.weight.length, ...filterText(shown, filter, lines) };
  }

  it("is by weight up to 25 tokens on the longer side, and one line per row beyond", () => {
    expect(drawnOf(25, 25, auto).count).toBe(50);
    expect(drawnOf(26, 10, auto).count).toBe(10);
    expect(drawnOf(10, 26, auto).count).toBe(26);
    expect(drawnOf(2, 1, auto).count).toBe(2);
  });

  it("says what is drawn, and how to change it", () => {
    expect(drawnOf(26, 10, auto)).toMatchObject({
      text: "One line per token: the strongest.",
      advice: "Show lines changes this.",
    });
    expect(drawnOf(10, 10, auto).text).toBe("Lines of at least 0.05.");
    expect(drawnOf(26, 10, { ...auto, keep: "top" }).text).toBe("The 3 strongest lines of each token.");
    expect(drawnOf(26, 10, { ...auto, keep: "mass" }).text).toContain("together carry 90 %");
    expect(drawnOf(26, 10, { ...auto, keep: "threshold", threshold: 0.9 }).text).toBe(
      "No weight reaches 0.9.",
    );
  });

  it("leaves an inspected token all of its lines above the threshold", () => {
    expect(closeFilter(auto).keep).toBe("threshold");
    expect(closeFilter({ ...auto, keep: "top" }).keep).toBe("top");
  });
});

describe("lines that coincide", () => {
  const lanesOf = (...weights: number[]) => {
    const sets = weights.map((weight) => Float32Array.from([weight]));
    const lines = collectLines(
      sets,
      1,
      sets.map(() => new Float32Array(1)),
      100,
    );
    return [...lines.set].map((set, i) => [set, lines.lane[i] ?? 0] as const).sort((a, b) => a[0] - b[0]);
  };

  it("lie side by side around the middle, in the order of their heads", () => {
    const lanes = lanesOf(0.5, 0.9, 0.5).map(([, lane]) => lane);
    expect(lanes).toEqual([...lanes].sort((a, b) => a - b));
    expect((lanes[0] ?? 0) + (lanes[2] ?? 0)).toBeCloseTo(0, 5);
    expect(lanes[1]).toBeCloseTo(0, 5);
    // Far enough apart not to cover one another.
    expect((lanes[1] ?? 0) - (lanes[0] ?? 0)).toBeCloseTo(0.7 + 4.8 * 0.7, 4);
  });

  it("stay inside their slot with seven heads, and in the middle with one", () => {
    const lanes = lanesOf(1, 1, 1, 1, 1, 1, 1).map(([, lane]) => lane);
    expect(Math.max(...lanes) - Math.min(...lanes)).toBeLessThan(WIDEST_BUNDLE);
    expect(new Set(lanes).size).toBe(7);
    expect(lanesOf(0.7)).toEqual([[0, 0]]);
  });

  it("do not move lines that only share one end", () => {
    const sets = [Float32Array.from([0.5, 0, 0, 0]), Float32Array.from([0, 0.5, 0, 0])];
    const lines = collectLines(
      sets,
      2,
      sets.map(() => new Float32Array(2)),
      100,
    );
    expect([...lines.lane]).toEqual([0, 0]);
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
