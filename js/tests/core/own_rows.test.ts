// A saved set of heads with several readings: its rows, what is requested for them, and what the panel says of them.
import { describe, expect, it } from "vitest";
import { differenceOf } from "../../src/compare/difference";
import type { Head, HeadSetInfo, SentenceReply } from "../../src/core/contract";
import type { Data } from "../../src/core/data";
import { sceneCells } from "../../src/core/heat/cells";
import { betterReading } from "../../src/core/readings";
import { buildScene, exactWeightsOf, lackingUnit, lacksRow, type SceneSpec } from "../../src/core/scene";
import { csvText, jsonText } from "../../src/core/scene_files";
import { applyTheme } from "../../src/core/theme";
import { axis, sentenceInfo, settled, state } from "../helpers";
import { mounted } from "../mounted";

const SET: HeadSetInfo = {
  heads: [
    [0, 1, "input"],
    [1, 0, "output"],
  ],
  reading: "own",
};
const LABELS = ["a", "b", "c", "</s>"];
/** Bytes of [2 heads, 4 rows, 4 columns] of each layer, as the scripted page has them. */
const byte = (head: number, row: number, column: number) => ((head * 16 + row * 4 + column) * 37) % 256;
const weight = (head: number, row: number, column: number) => (byte(head, row, column) / 255) ** 2;

/** A kernel with the same weights, which notes what it was asked for. */
function kernel(words: number[] = [0, 1, 2, -1]) {
  const asked: string[] = [];
  const side = { ...axis(LABELS, [3], words, ["a", "b", "c"]) };
  const reply = {
    source: axis(LABELS, [3]),
    target: { output: side, input: axis(LABELS, [0]) },
    logprobs: null,
    generated: false,
    reference: null,
    reference_boxes: null,
    notes: [],
  } as SentenceReply;
  const all = [0, 1, 2, 3];
  const data = {
    sentence: async () => reply,
    layer: async () => ({
      shape: [2, 4, 4],
      bytes: Uint8Array.from([0, 1].flatMap((h) => all.flatMap((t) => all.map((s) => byte(h, t, s))))),
    }),
    row: async (_: number, heads: Head[], target: number) => {
      asked.push(`row ${target}`);
      return heads.map(([, head]) => Float32Array.from(all, (s) => weight(head, target, s)));
    },
    column: async (_: number, heads: Head[], source: number) => {
      asked.push(`column ${source}`);
      return heads.map(([, head]) => Float32Array.from(all, (t) => weight(head, t, source)));
    },
  } as unknown as Data;
  return { data, asked };
}

const SPEC: SceneSpec = {
  sentence: 0,
  heads: [
    [1, 0],
    [0, 1],
  ],
  aggregate: "mean",
  combined: true,
  words: false,
  drop: "nothing",
  reading: "output",
  moved: [[0, 1]],
  divided: false,
};
const build = (data: Data, change: Partial<SceneSpec> = {}) =>
  buildScene(data, { ...SPEC, ...change }, new AbortController().signal, () => {});
/** Row by row: the mean of the row that writes a token by head 0, and of the row that reads it by head 1, if there is one. */
const MEAN = [0, 1, 2, 3].flatMap((t) =>
  [0, 1, 2, 3].map((s) => (t < 3 ? (weight(0, t, s) + weight(1, t + 1, s)) / 2 : weight(0, t, s))),
);
const close = (found: ArrayLike<number>, expected: readonly number[]) => {
  expect(found).toHaveLength(expected.length);
  expected.forEach((value, i) => {
    expect(found[i]).toBeCloseTo(value, 6);
  });
};

describe("rows of a set", () => {
  it("are the mean of the row that writes a token and the row that reads it", async () => {
    const scene = await build(kernel().data);
    close(scene.aggregate, MEAN);
    expect(scene.target.labels).toEqual(LABELS);
    expect(lackingUnit(scene.spec, scene.target)).toBe(-1);
    const alone = await build(kernel().data, { heads: [[0, 1]] });
    expect(lackingUnit(alone.spec, alone.target)).toBe(3);
    expect([...alone.aggregate.slice(12)]).toEqual([0, 0, 0, 0]);
    const cells = sceneCells(alone, alone.top, applyTheme(document.createElement("div"), "light"));
    expect([cells.text(11), cells.text(12)]).toEqual([weight(1, 3, 3).toFixed(2), ""]);
    expect(differenceOf(alone, scene)?.target.labels).toEqual(["a", "b", "c"]);
  });

  it("are those of each head where they are drawn apart", async () => {
    const scene = await build(kernel().data, { combined: false });
    const [written, read] = scene.sets as [Float32Array, Float32Array];
    expect(written[13]).toBeCloseTo(weight(0, 3, 1), 6);
    expect(read[1]).toBeCloseTo(weight(1, 1, 1), 6);
    expect([...read.slice(12)]).toEqual([0, 0, 0, 0]);
    expect([lacksRow(scene, 0, 3), lacksRow(scene, 1, 3), lacksRow(scene, 1, 2)]).toEqual([
      false,
      true,
      false,
    ]);
  });

  it("are those of words: a word has the steps that write, or that read, its tokens", async () => {
    const scene = await build(kernel([0, 0, 1, -1]).data, { words: true });
    expect(scene.target.labels).toEqual(["a", "b", "</s>"]);
    const expected = [0, 1, 2, 3].map(
      (s) => (weight(0, 0, s) + weight(0, 1, s) + weight(1, 1, s) + weight(1, 2, s)) / 4,
    );
    close(scene.aggregate.slice(0, 4), expected);
  });

  it("are renormalized over what is left where special tokens are dropped", async () => {
    const scene = await build(kernel().data, { drop: "drop" });
    const part = (head: number, row: number) => {
      const values = [0, 1, 2].map((s) => weight(head, row, s));
      const sum = values.reduce((a, b) => a + b);
      return values.map((value) => value / sum);
    };
    const expected = [0, 1, 2].flatMap((t) => {
      const [one, other] = [part(0, t), part(1, t + 1)];
      return one.map((value, i) => (value + (other[i] ?? 0)) / 2);
    });
    close(scene.aggregate, expected);
  });

  it("are exact from the kernel, which is asked for both steps", async () => {
    const { data, asked } = kernel();
    const scene = await build(data);
    close((await exactWeightsOf(data, scene, "target", 1)) ?? [], MEAN.slice(4, 8));
    expect(asked.splice(0).sort()).toEqual(["row 1", "row 2"]);
    close((await exactWeightsOf(data, scene, "target", 3)) ?? [], MEAN.slice(12));
    expect(asked.splice(0)).toEqual(["row 3"]);
    const column = [0, 1, 2, 3].map((t) => MEAN[4 * t + 2] ?? 0);
    close((await exactWeightsOf(data, scene, "source", 2)) ?? [], column);
    expect(asked).toEqual(["column 2"]);
  });

  it("change nothing for heads that align the token written", async () => {
    const heads: Head[] = [[1, 0]];
    const { data } = kernel();
    const [own, plain] = [await build(data, { heads }), await build(data, { heads, moved: [] })];
    expect([...own.aggregate]).toEqual([...plain.aggregate]);
  });

  it("are written to files without the row that nothing reads", async () => {
    const scene = await build(kernel().data, { heads: [[0, 1]] });
    const lines = csvText(scene, ["set"]).trim().split("\n");
    expect(lines).toHaveLength(1 + 16);
    expect(lines.slice(13)).toEqual([0, 1, 2, 3].map((s) => `set,3,</s>,${s},${LABELS[s]},`));
    const json = JSON.parse(jsonText(scene, undefined, false));
    expect([json.reading, json.moved]).toEqual(["own", [[0, 1]]]);
    expect(json.mean[3]).toEqual([null, null, null, null]);
    expect(json.mean[0][0]).toBeCloseTo(weight(1, 1, 0), 6);
  });
});

describe("advice", () => {
  const guess = { output: [[0.1], [0.1]], input: [[0.9], [0.9]], words: 1000 };
  it("is not given for a head that is moved already", () => {
    expect(betterReading(guess, [[0, 0]], "own", [[0, 0]])).toBeNull();
    expect(betterReading(guess, [[1, 0]], "own", [[0, 0]])).toBe("input");
  });
});

describe("the panel", () => {
  const TOY = { layers: 2, heads: 2, model: "Toy", sentences: [sentenceInfo()], has_kernel: false };
  const panel = mounted();
  const heading = () => panel.first(".xattn-heading").textContent;
  const button = () => panel.first<HTMLButtonElement>(".xattn-best-link");
  const own = {
    reading: "own",
    heads: [
      [1, 0],
      [0, 1],
    ] as Head[],
    layer: 0,
    head: 1,
    combined: true,
  } as const;

  it("opens with the set, leaves it for a head, and goes back to it", async () => {
    const page = state(LABELS, { ...own, info: { ...TOY, head_set: SET } });
    const model = await panel.mount(page);
    expect(heading()).toBe(
      "Mean of the 2 heads that align best, rows named by the token being written (L0 H1 one step later)",
    );
    expect(button().getAttribute("aria-disabled")).toBe("true");
    expect(panel.all(".xattn-marked-best")).toHaveLength(2);
    const [, , naming] = panel.all(".xattn-options select") as HTMLSelectElement[];
    expect([naming?.value, naming?.options[2]?.hidden]).toEqual(["own", false]);

    panel.first('.xattn-head[data-layer="1"][data-head="1"]').click();
    await settled();
    expect(heading()).toBe("Layer 1, head 1, rows named by the token being written");
    expect(button().textContent).toBe("Show the best set");
    model.set("reading", "input");
    await settled();
    button().click();
    await settled();
    expect([model.get("heads"), model.get("reading"), model.get("combined")]).toEqual([
      [
        [1, 0],
        [0, 1],
      ],
      "own",
      true,
    ]);
    expect(heading()).toContain("Mean of the 2 heads that align best");
  });

  it("has neither the button nor the choice without a set", async () => {
    await panel.mount(state(LABELS));
    expect(button().hidden).toBe(true);
    const [, , naming] = panel.all(".xattn-options select") as HTMLSelectElement[];
    expect(naming?.options[2]?.hidden).toBe(true);
  });

  it("has no button where a page lacks one of the heads", async () => {
    const sentences = [sentenceInfo({ missing: [[1], []] })];
    const page = state(LABELS, { info: { ...TOY, head_set: SET, sentences } });
    await panel.mount(page);
    expect(button().hidden).toBe(true);
  });
});
