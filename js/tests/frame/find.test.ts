// Finding tokens.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { findTokens, folded } from "../../src/frame/find";
import { scene } from "../helpers";

describe("search", () => {
  it("finds pieces without regard to case and accents", () => {
    expect(folded("Éa")).toBe("ea");
    const found = findTokens(scene(["Été", "x"], ["ete", "y"], [1, 0, 0, 1]), " E ");
    expect(found).toEqual([
      { side: "source", unit: 0 },
      { side: "target", unit: 0 },
    ]);
    expect(findTokens(scene(["a"], ["a"], [1]), "  ")).toEqual([]);
  });
});
