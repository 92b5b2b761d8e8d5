// Reference links in the units that are shown.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import type { Reference } from "../../src/core/contract";
import { referenceMarks } from "../../src/core/heat/cells";
import { referenceLinks } from "../../src/core/reference";
import { axis, scene } from "../helpers";

describe("reference", () => {
  const source = axis(["un", "do", "it", "</s>"], [3], [0, 0, 1, -1], ["undo", "it"]);
  const target = axis(["re", "it", "</s>"], [2], [0, 1, -1], ["re", "it"]);
  const weights = [0.4, 0.3, 0.2, 0.1, 0.1, 0.1, 0.7, 0.1, 0.1, 0.1, 0.1, 0.7];
  const reference: Reference = {
    links: [
      [0, 0, true],
      [1, 1, false],
    ],
    words: true,
  };

  it("joins the pieces of its words", () => {
    const shown = scene(target, source, weights);
    shown.reply.reference = reference;
    expect(referenceLinks(shown)).toEqual([
      { source: [0, 1], target: [0], sure: true },
      { source: [2], target: [1], sure: false },
    ]);
    expect(referenceMarks(shown).map(({ row, column, sure }) => [row, column, sure])).toEqual([
      [0, 0, true],
      [0, 1, true],
      [1, 2, false],
    ]);
  });

  it("of tokens moves by one where rows are labeled by what they read", () => {
    const shown = scene(target, source, weights);
    shown.reply.reference = { links: [[2, 1, true]], words: false };
    expect(referenceLinks(shown)[0]?.target).toEqual([1]);
    shown.spec.reading = "input";
    expect(referenceLinks(shown)[0]?.target).toEqual([2]);
  });
});
