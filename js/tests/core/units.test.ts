// Units of positions and words, and the weights between them.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import {
  aggregate,
  columnOf,
  makeUnits,
  oneUnit,
  pickUnits,
  project,
  rowOf,
  topPartners,
} from "../../src/core/units";
import { axis } from "../helpers";

const close = (values: Iterable<number>) => [...values].map((value) => Number(value.toFixed(5)));

describe("matrix", () => {
  const plain = { words: false, drop: "nothing" } as const;
  const weights = Float32Array.from([0.5, 0.3, 0.2, 0.1, 0.1, 0.8]);
  const source = axis(["un", "do", "</s>"], [2], [0, 0, -1], ["undo"]);
  const target = axis(["x", "y"], [], [0, 0], ["xy"]);

  it("leaves positions alone when nothing is asked", () => {
    expect(project(weights, makeUnits(target, plain), makeUnits(source, plain), false)).toBe(weights);
  });

  it("sums words over the source and averages them over the target", () => {
    const options = { words: true, drop: "nothing" } as const;
    const [t, s] = [makeUnits(target, options), makeUnits(source, options)];
    expect([s.labels, t.labels]).toEqual([["undo", "</s>"], ["xy"]]);
    expect(close(project(weights, t, s, false))).toEqual([0.5, 0.5]);
  });

  it("drops specials and renormalizes each row over what is left", () => {
    const s = makeUnits(source, { words: false, drop: "drop" });
    expect([...s.assign]).toEqual([0, 1, -1]);
    expect(close(project(weights, makeUnits(target, plain), s, true))).toEqual([0.625, 0.375, 0.5, 0.5]);
  });

  it("gives zeros for a row with nothing left", () => {
    const s = makeUnits(source, { words: false, drop: "drop" });
    const row = Float32Array.from([0, 0, 1]);
    expect([...project(row, oneUnit(1), s, true)]).toEqual([0, 0]);
  });

  it("keeps the text of an unknown token beside it, and the token beside its word", () => {
    const texts = [null, null, "🦄", null];
    const unknown = { ...axis(["the", "␣", "<unk>", "</s>"], [3], [0, 1, 1, -1], ["the", "🦄"]), texts };
    const pieces = makeUnits(unknown, { words: false, drop: "nothing" });
    expect([pieces.labels, pieces.asides]).toEqual([["the", "␣", "<unk>", "</s>"], texts]);
    const words = makeUnits(unknown, { words: true, drop: "drop" });
    expect([words.labels, words.asides]).toEqual([
      ["the", "🦄"],
      [null, "<unk>"],
    ]);
    expect(pickUnits(words, [1, 0]).asides).toEqual(["<unk>", null]);
    expect(makeUnits(axis(["a"]), { words: true, drop: "nothing" }).asides).toEqual([null]);
  });

  it("keeps order of first occurrence when a word is split by another", () => {
    const units = makeUnits(axis(["a", "-", "b"], [], [0, 1, 0], ["ab", "-"]), {
      words: true,
      drop: "nothing",
    });
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
