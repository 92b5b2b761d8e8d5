// Weights and scores as CSV, JSON and alignments.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { csvText, jsonText, pharaohText } from "../../src/core/scene_files";
import { scoresCsv } from "../../src/scores/export";
import { axis, scene, sentenceInfo } from "../helpers";

describe("files", () => {
  const shown = scene(["a,b", '=1+"2"'], ["x", "y\n"], [0.25, 0.75, 1, 0]);

  it("quote what a CSV would break on, and change nothing", () => {
    expect(csvText(shown, ["layer 0, head 0"]).split("\n").slice(0, 2)).toEqual([
      "heads,target,target_token,source,source_token,weight",
      '"layer 0, head 0",0,"a,b",0,x,0.25',
    ]);
    expect(csvText(shown, ["h"])).toContain(`"=1+""2"""`);
  });

  it("hold the shown matrix and what it is in JSON", () => {
    const data = JSON.parse(jsonText(shown, sentenceInfo({ name: "before" }), false));
    expect([data.mean, data.name, data.heads]).toEqual([
      [
        [0.25, 0.75],
        [1, 0],
      ],
      "before",
      [[0, 0]],
    ]);
    expect(data.weights).toContain("0.004");
  });

  it("align each target word with its strongest source word, special tokens passed over", () => {
    const source = axis(["</s>", "s", "t"], [0]);
    const target = axis(["x", "y", "</s>"], [2]);
    const aligned = scene(
      { ...target, groups: [0, 1, -1] },
      { ...source, groups: [-1, 0, 1] },
      [0.8, 0.05, 0.15, 0.1, 0.9, 0, 1, 0, 0],
    );
    expect(pharaohText(aligned)).toBe("1-0 0-1\n");
  });

  it("name scores by their signatures", () => {
    const grids = new Map([["e", { values: [[0.5, null]], signature: "e|v:1" }]]);
    const list = [{ name: "e", direction: "lower", description: "", signature: "e|v:1" } as const];
    expect(scoresCsv(list, grids)).toBe("layer,head,e|v:1\n0,0,0.5\n0,1,\n");
  });
});
