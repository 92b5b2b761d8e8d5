// Numbers and labels as text.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { formatScore, formatWeight, tokenText, tokenTitle } from "../../src/core/format";

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
