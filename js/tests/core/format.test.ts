// Numbers and labels as text.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { formatProbability, formatScore, formatWeight, tokenText, tokenTitle } from "../../src/core/format";

describe("format", () => {
  it("says how exact a weight is by its decimals", () => {
    expect([formatWeight(0.4123, true), formatWeight(0.4123, false)]).toEqual(["0.412", "0.41"]);
    expect([formatWeight(4.7e-5, true), formatWeight(4.7e-5, false)]).toEqual(["4.7e-05", "0.00"]);
  });
  it("never writes a small probability as none", () => {
    expect([0.5, 5e-4, 4.96e-4, 4.7e-5, 3.21e-12, 1e-120, 0, 1, Number.NaN].map(formatProbability)).toEqual([
      "0.500",
      "0.001",
      "5.0e-04",
      "4.7e-05",
      "3.2e-12",
      "1.0e-120",
      "0.000",
      "1.000",
      "NaN",
    ]);
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
