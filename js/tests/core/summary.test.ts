// What a scene says of single words: totals, probabilities, the summary, and what each head gives a partner.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import type { Head } from "../../src/core/contract";
import { inspectToken, speak } from "../../src/core/inspect";
import type { Scene } from "../../src/core/scene";
import { summaryOf } from "../../src/core/summary";
import { coverageOf, coverageTexts, probabilitiesOf, probabilityTexts } from "../../src/core/totals";
import { axis, scene } from "../helpers";

/** A scene with log-probabilities of the rows, and another reading. */
function written(
  base: Scene,
  logprobs: (number | null)[] | null,
  reading: "output" | "input" = "output",
): Scene {
  return { ...base, spec: { ...base.spec, reading }, reply: { ...base.reply, logprobs } };
}

/** Several heads with [target, source] weights each, and their mean. */
function heads(base: Scene, ...sets: number[][]): Scene {
  const mean = base.aggregate.map((_, i) => sets.reduce((sum, set) => sum + (set[i] ?? 0), 0) / sets.length);
  return {
    ...base,
    spec: { ...base.spec, heads: sets.map((_, i): Head => [0, i]) },
    sets: sets.map((set) => Float32Array.from(set)),
    aggregate: mean,
  };
}

const words = { words: true } as Scene["spec"];
const three = scene(
  ["not", "help", "."],
  ["nicht", "helfen", "."],
  [0.2, 0.7, 0.1, 0.17, 0.8, 0.03, 0, 0.3, 0.7],
);

describe("the place of a token", () => {
  it("counts tokens, and says so where they are merged into words", () => {
    const kind = (shown: Scene, unit: number) => inspectToken(shown, { side: "target", unit }, null).kind;
    expect(kind(three, 1)).toBe("Target token 1");
    const pieces = axis(["he", "lp", "me", "</s>"], [3], [0, 0, 1, -1], ["help", "me"]);
    const merged = scene(pieces, ["x"], [1, 1, 1], { spec: { ...three.spec, ...words } });
    expect([0, 1, 2].map((unit) => kind(merged, unit))).toEqual([
      "Target word (tokens 0–1)",
      "Target word (token 2)",
      "Target token 3",
    ]);
  });
});

describe("totals", () => {
  it("add up the column of each source word over all target rows, once for a scene", () => {
    expect([...coverageOf(three)].map((total) => total.toFixed(2))).toEqual(["0.37", "1.80", "0.83"]);
    expect(coverageOf(three)).toBe(coverageOf(three));
    expect(coverageTexts(three)[0]).toBe("read 0.37 in total");
  });

  it("leave undefined weights out, and are zero where all are undefined", () => {
    expect([...coverageOf(scene(["a", "b"], ["x"], [Number.NaN, 0.5]))]).toEqual([0.5]);
    expect([...coverageOf(scene(["a"], ["x"], [Number.NaN]))]).toEqual([0]);
  });

  it("give a word the probability of all its pieces, and none where one is unknown", () => {
    const pieces = axis(["he", "lp", "me"], [], [0, 0, 1], ["help", "me"]);
    const whole = scene(pieces, ["x"], [1, 1], { spec: { ...three.spec, ...words } });
    const log = Math.log(0.5);
    expect(probabilitiesOf(written(whole, [log, log, 0])).map((p) => p?.toFixed(2))).toEqual([
      "0.25",
      "1.00",
    ]);
    expect(probabilitiesOf(written(whole, [log, null, 0]))).toEqual([null, 1]);
    expect(probabilityTexts(written(whole, null))).toEqual(["", ""]);
  });

  it("take a word's own probability where rows are named by the word that they read", () => {
    const input = written(three, [Math.log(0.5), Math.log(0.25), 0], "input");
    expect(probabilitiesOf(input).map((p) => p?.toFixed(2))).toEqual([undefined, "0.50", "0.25"]);
    expect(probabilityTexts(input)[1]).toContain("of this token, not of the one that its row predicts");
    expect(inspectToken(input, { side: "target", unit: 1 }, null).facts).toMatch(
      /^probability 0\.500 \(log −0\.693\); its row predicts .help. with 0\.250$/,
    );
    expect(inspectToken(input, { side: "target", unit: 0 }, null).facts).toMatch(
      /^its row predicts .not. with 0\.500$/,
    );
  });
});

describe("summary", () => {
  it("names what is read least and by whom, and what is least certain", () => {
    const { leastRead, leastCertain } = summaryOf(written(three, [Math.log(0.4), -0.1, 0]));
    expect(leastRead?.map(({ label, value }) => [label, value.toFixed(2)])).toEqual([
      ["nicht", "0.37"],
      ["helfen", "1.80"],
    ]);
    expect(leastRead?.[0]?.reader?.label).toBe("not");
    expect(leastCertain?.map(({ label }) => label)).toEqual(["not", "help", "."]);
    expect(leastCertain?.[0]?.token).toEqual({ side: "target", unit: 0 });
  });

  it("leaves special tokens out, keeps the order of equals, and lists three", () => {
    const source = axis(["a", "b", "c", "d", "</s>"], [4]);
    const flat = scene(["x"], source, [0.25, 0.25, 0.25, 0.25, 0]);
    expect(summaryOf(flat).leastRead?.map(({ label }) => label)).toEqual(["a", "b", "c"]);
    expect(summaryOf(flat).leastCertain).toBeNull();
  });

  it("copes with one token, punctuation alone, special tokens alone, and no weight", () => {
    expect(summaryOf(scene(["x"], ["a"], [1])).leastRead).toHaveLength(1);
    expect(summaryOf(scene(["x"], ["?", "!"], [1, 0])).leastRead?.map(({ label }) => label)).toEqual([
      "!",
      "?",
    ]);
    expect(summaryOf(scene(["x"], axis(["</s>"], [0]), [1])).leastRead).toEqual([]);
    expect(summaryOf(scene(["x"], ["a"], [Number.NaN])).leastRead).toEqual([]);
    expect(summaryOf(scene(["x"], { ...axis(["0.02 s"]), kind: "audio" }, [1])).leastRead).toBeNull();
  });

  it("says of which word a piece is", () => {
    const source = axis(["s", "s", "ja"], [], [0, 0, 1], ["ss", "ja"]);
    const { leastRead } = summaryOf(scene(["x"], source, [0.1, 0.2, 0.7]));
    expect(leastRead?.map(({ word }) => word)).toEqual(["ss", "ss", null]);
  });
});

describe("an inspected token", () => {
  it("of the source has its total and its readers", () => {
    const { facts } = inspectToken(three, { side: "source", unit: 0 }, null);
    expect(facts).toBe("read 0.37 in total, by 2 tokens with 0.01 or more");
    const exact = inspectToken(three, { side: "source", unit: 0 }, Float32Array.from([0.2, 0.001, 0]));
    expect(exact.facts).toBe("read 0.201 in total, by 1 token with 0.01 or more");
    expect(inspectToken(scene(["x"], ["a"], [0]), { side: "source", unit: 0 }, null).facts).toBe(
      "read 0.00 in total",
    );
  });

  it("shows three heads that are sharp on different words as such, not as a third each", () => {
    const sharp = heads(scene(["x"], ["a", "b", "c"], [0, 0, 0]), [1, 0, 0], [0, 1, 0], [0, 0, 1]);
    const inspection = inspectToken(sharp, { side: "target", unit: 0 }, null);
    expect(inspection.partners.map(({ value }) => value.toFixed(2))).toEqual(["0.33", "0.33", "0.33"]);
    expect(inspection.partners.map(({ each }) => each)).toEqual([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
    expect(inspection.heads).toEqual(["layer 0, head 0", "layer 0, head 1", "layer 0, head 2"]);
    expect(speak(inspection, (value) => value.toFixed(2))).toContain("b 0.33 (layer 0, head 1 1.00)");
    const source = inspectToken(sharp, { side: "source", unit: 1 }, null);
    expect(source.partners.map(({ each }) => each)).toEqual([[0, 1, 0]]);
  });

  it("has no weights by head where there is one head, or only their aggregate", () => {
    expect(inspectToken(three, { side: "target", unit: 0 }, null).partners[0]?.each).toEqual([]);
    const many = {
      ...three,
      spec: { ...three.spec, heads: Array.from({ length: 9 }, (_, i): Head => [0, i]) },
    };
    expect(inspectToken({ ...many, aggregated: true }, { side: "target", unit: 0 }, null).heads).toEqual([]);
  });
});
