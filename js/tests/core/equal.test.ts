// @vitest-environment node
// Equality of JSON values by their structure.
import { describe, expect, it } from "vitest";
import { equal } from "../../src/core/equal";

describe("equal", () => {
  it("compares by structure, whatever the order of keys", () => {
    expect(equal({ a: [1, { b: null }], c: "x" }, { c: "x", a: [1, { b: null }] })).toBe(true);
    expect(equal([], [])).toBe(true);
    expect(equal(Number.NaN, Number.NaN)).toBe(true);
  });

  it("tells apart what differs in kind, length, keys or values", () => {
    for (const [a, b] of [
      [
        [1, 2],
        [1, 2, 3],
      ],
      [[1], { 0: 1 }],
      [{ a: undefined }, { b: undefined }],
      [{ a: 1 }, { a: 1, b: 1 }],
      [null, {}],
      ["1", 1],
      [[[0, 1]], [[1, 0]]],
    ])
      expect(equal(a, b)).toBe(false);
  });
});
