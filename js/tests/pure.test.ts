// Pure functions: codec, cache, matrix, ranking, geometry, scales, keyboard, format.
import { describe, expect, it } from "vitest";
import { ByteCache } from "../src/core/cache";
import { accumulateHeads, decodeHead, toBytes, toFloats } from "../src/core/codec";
import { formatScore, formatWeight, tokenText, tokenTitle } from "../src/core/format";
import { gridMove, tokenMove } from "../src/core/keyboard";
import { layerMeans, rankHeads } from "../src/core/ranking";
import {
  headColors,
  MAX_HEAD_COLORS,
  makeRamp,
  parseColor,
  type RGB,
  scoreDomain,
  shade,
} from "../src/core/scales";
import {
  accumulate,
  aggregate,
  columnOf,
  makeUnits,
  oneUnit,
  project,
  rowOf,
  topPartners,
} from "../src/core/units";
import {
  cellAt,
  centerOf,
  collectLines,
  crosses,
  labelStep,
  slotAt,
  stretchedSlots,
  uniformSlots,
} from "../src/lines/geometry";
import { linesOfToken } from "../src/lines/paint";
import { axis } from "./helpers";

/** One set's cuts, by weight alone. */
const from = (threshold: number, rows = 8) => [new Float32Array(rows).fill(threshold)];
const close = (values: Iterable<number>) => [...values].map((value) => Number(value.toFixed(5)));

describe("codec", () => {
  it("adds heads up as decoding each of them does", () => {
    const size = 5000; // more than a block
    const bytes = Uint8Array.from({ length: 3 * size }, (_, i) => (i * 7919) % 256);
    for (const how of ["mean", "max"] as const) {
      const expected = new Float32Array(size);
      for (const head of [0, 2]) accumulate(expected, decodeHead(bytes, head, size), how);
      const found = new Float32Array(size);
      accumulateHeads(found, bytes, [0], how);
      accumulateHeads(found, bytes, [2], how);
      const together = new Float32Array(size);
      accumulateHeads(together, bytes, [0, 2], how);
      for (const [i, value] of expected.entries()) {
        expect(found[i]).toBeCloseTo(value, 6);
        expect(together[i]).toBeCloseTo(value, 6);
      }
    }
  });

  it("squares the bytes and stays within the stated error", () => {
    expect(close(decodeHead(Uint8Array.from([9, 9, 0, 255]), 1, 2))).toEqual([0, 1]);
    for (let i = 0; i <= 1000; i++) {
      const weight = i / 1000;
      const q = Math.round(Math.sqrt(weight) * 255);
      const [back = 0] = decodeHead(Uint8Array.from([q]), 0, 1);
      expect(Math.abs(back - weight)).toBeLessThanOrEqual(0.004); // half a step of the scale at weight 1
    }
  });

  it("honors byteOffset and byteLength", () => {
    const whole = new Uint8Array([1, 2, 3, 4, 5, 6]);
    expect([...toBytes(new DataView(whole.buffer, 2, 3))]).toEqual([3, 4, 5]);
    const bytes = new Uint8Array(1 + 8 + 3);
    bytes.set(new Uint8Array(Float32Array.from([0.5, 2]).buffer), 1);
    expect([...toFloats(new DataView(bytes.buffer, 1, 8))]).toEqual([0.5, 2]);
  });
});

describe("cache", () => {
  it("evicts the least recently used by bytes", () => {
    const cache = new ByteCache<string>(10);
    cache.set("a", "A", 4);
    cache.set("b", "B", 4);
    expect(cache.get("a")).toBe("A");
    cache.set("c", "C", 4);
    expect(cache.get("b")).toBeUndefined();
    expect([cache.get("a"), cache.get("c"), cache.bytes]).toEqual(["A", "C", 8]);
  });

  it("replaces without counting twice, and refuses what can never fit", () => {
    const cache = new ByteCache<string>(10);
    cache.set("a", "A", 6);
    cache.set("a", "B", 8);
    cache.set("huge", "H", 11);
    expect([cache.get("a"), cache.get("huge"), cache.bytes]).toEqual(["B", undefined, 8]);
  });
});

describe("matrix", () => {
  const plain = { words: false, drop: false };
  const weights = Float32Array.from([0.5, 0.3, 0.2, 0.1, 0.1, 0.8]);
  const source = axis(["un", "do", "</s>"], [2], [0, 0, -1], ["undo"]);
  const target = axis(["x", "y"], [], [0, 0], ["xy"]);

  it("leaves positions alone when nothing is asked", () => {
    expect(project(weights, makeUnits(target, plain), makeUnits(source, plain), false)).toBe(weights);
  });

  it("sums words over the source and averages them over the target", () => {
    const options = { words: true, drop: false };
    const [t, s] = [makeUnits(target, options), makeUnits(source, options)];
    expect([s.labels, t.labels]).toEqual([["undo", "</s>"], ["xy"]]);
    expect(close(project(weights, t, s, false))).toEqual([0.5, 0.5]);
  });

  it("drops specials and renormalizes each row over what is left", () => {
    const s = makeUnits(source, { words: false, drop: true });
    expect([...s.assign]).toEqual([0, 1, -1]);
    expect(close(project(weights, makeUnits(target, plain), s, true))).toEqual([0.625, 0.375, 0.5, 0.5]);
  });

  it("gives zeros for a row with nothing left", () => {
    const s = makeUnits(source, { words: false, drop: true });
    const row = Float32Array.from([0, 0, 1]);
    expect([...project(row, oneUnit(1), s, true)]).toEqual([0, 0]);
  });

  it("keeps order of first occurrence when a word is split by another", () => {
    const units = makeUnits(axis(["a", "-", "b"], [], [0, 1, 0], ["ab", "-"]), { words: true, drop: false });
    expect([units.labels, units.positions]).toEqual([
      ["ab", "-"],
      [[0, 2], [1]],
    ]);
  });

  it("aggregates by mean and by maximum", () => {
    const [a, b] = [Float32Array.from([0, 1]), Float32Array.from([0.5, 0.5])];
    expect(close(aggregate([a, b], "mean"))).toEqual([0.25, 0.75]);
    expect(close(aggregate([a, b], "max"))).toEqual([0.5, 1]);
  });

  it("reads rows, columns and top partners", () => {
    expect(close(rowOf(weights, 3, 1))).toEqual([0.1, 0.1, 0.8]);
    expect(close(columnOf(weights, 3, 2))).toEqual([0.2, 0.8]);
    const top = topPartners(Float32Array.from([0.1, 0.4, 0, 0.4, 0.3]), 3);
    expect(top.map((partner) => partner.index)).toEqual([1, 3, 4]);
    expect(topPartners(Float32Array.from([0, 0, Number.NaN]), 3)).toEqual([]);
  });
});

describe("ranking", () => {
  const values = [
    [0.5, null],
    [0.1, 0.9],
  ];
  it("ranks by direction, undefined last", () => {
    const order = (direction: "higher" | "lower") =>
      rankHeads(values, direction).map((entry) => entry.head.join(""));
    expect(order("higher")).toEqual(["11", "00", "10", "01"]);
    expect(order("lower")).toEqual(["10", "00", "11", "01"]);
  });
  it("averages the defined scores of a layer", () => {
    expect(layerMeans([...values, [null, null]])).toEqual([0.5, 0.5, null]);
  });
});

describe("geometry", () => {
  it("finds slots by position", () => {
    const slots = stretchedSlots([10, 30, 20], 90);
    expect([...slots.edges]).toEqual([0, 20, 60, 90]);
    expect([0, 19, 20, 89, 90, -1].map((at) => slotAt(slots, at))).toEqual([0, 0, 1, 2, -1, -1]);
    expect(centerOf(uniformSlots(3, 24), 1)).toBe(36);
    expect(slotAt(uniformSlots(0, 24), 0)).toBe(-1);
  });

  it("finds cells", () => {
    expect(cellAt(25, 5, 10, 10, 3, 3)).toEqual([0, 2]);
    expect(cellAt(31, 5, 10, 10, 3, 3)).toBeNull();
    expect(cellAt(-1, 5, 10, 10, 3, 3)).toBeNull();
  });

  it("collects lines above the threshold, weakest first, never of weight zero", () => {
    const lines = collectLines([Float32Array.from([0, 0.5, 0.25, 0.75])], 2, from(0), 10);
    expect([...lines.weight]).toEqual([0.25, 0.5, 0.75]);
    expect([...lines.target]).toEqual([1, 0, 1]);
    expect([...lines.source]).toEqual([0, 1, 1]);
    expect(collectLines([Float32Array.from([0.1, 0.5])], 2, from(0.2), 10).found).toBe(1);
  });

  it("keeps the strongest lines under the cap and says how many there were", () => {
    const weights = Float32Array.from({ length: 1000 }, (_, i) => i / 1000);
    const lines = collectLines([weights], 100, from(0, 10), 50);
    expect(lines.found).toBe(999);
    expect(lines.weight.length).toBeLessThanOrEqual(50);
    expect(lines.weight.length).toBeGreaterThan(40);
    expect(Math.min(...lines.weight)).toBeGreaterThan(0.94);
  });

  it("takes the lines of one token from either side", () => {
    const matrix = Float32Array.from([0.5, 0.1, 0.2, 0.3]);
    expect([...linesOfToken([matrix], 2, "target", 1, from(0.25)).source]).toEqual([1]);
    expect([...linesOfToken([matrix], 2, "source", 0, from(0)).target]).toEqual([1, 0]);
  });

  it("culls lines outside the window and thins labels", () => {
    expect([crosses(-10, -5, 0, 100), crosses(-10, 200, 0, 100)]).toEqual([false, true]);
    expect([labelStep(20, 15), labelStep(5, 15), labelStep(4, 15)]).toEqual([1, 3, 4]);
  });
});

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

describe("keyboard", () => {
  it("walks along the tokens and over to the other side, by layout", () => {
    expect(tokenMove("ArrowDown", "columns")).toEqual({ kind: "walk", by: 1 });
    expect(tokenMove("ArrowRight", "columns")).toEqual({ kind: "side", to: "target" });
    expect(tokenMove("ArrowRight", "rows")).toEqual({ kind: "walk", by: 1 });
    expect(tokenMove("ArrowUp", "rows")).toEqual({ kind: "side", to: "source" });
    expect(tokenMove("PageDown", "rows")).toEqual({ kind: "layer", by: 1 });
    expect(tokenMove("a", "rows")).toBeNull();
  });
  it("stays inside the grid", () => {
    expect(gridMove("ArrowUp", [0, 0], 3, 3)).toEqual([0, 0]);
    expect(gridMove("End", [1, 0], 3, 4)).toEqual([1, 3]);
    expect(gridMove("Tab", [1, 0], 3, 4)).toBeNull();
  });
});

describe("format", () => {
  it("says how exact a weight is by its decimals", () => {
    expect([formatWeight(0.4123, true), formatWeight(0.4123, false)]).toEqual(["0.412", "0.41"]);
  });
  it("writes scores briefly", () => {
    expect([0, 0.41234, -12.345, 16118, 1e-7, null].map(formatScore)).toEqual([
      "0",
      "0.412",
      "−12.35",
      "16118",
      "1.0e−7",
      "undefined",
    ]);
  });
  it("makes the invisible visible and cuts the endless", () => {
    expect(tokenText("\u200b")).toBe("U+200B");
    expect(tokenText("")).toBe("(empty)");
    expect(tokenText("\u202eevil")).toBe("⟨U+202E⟩evil");
    expect(tokenText("a\nb")).toBe("a↵b");
    expect(tokenText("می\u200cروم")).toBe("می\u200cروم");
    expect(Array.from(tokenText("😀".repeat(5000)))).toHaveLength(121);
    expect(tokenTitle("x".repeat(10_000))).toContain("10000 characters");
  });
});
