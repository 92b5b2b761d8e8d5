// What keys mean.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { gridMove, tokenMove } from "../../src/core/keyboard";

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
