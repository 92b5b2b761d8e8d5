// Where muting heads cannot change attention, and where a comparison is zero by construction.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import type { Effect, Head } from "../../src/core/contract";
import { comparedSentence, muteReason, zeroReason } from "../../src/core/muting";

const effect = (same = false): Effect => ({
  base: 0,
  forced: 2,
  written: 3,
  before_logprob: -1,
  forced_logprob: -2,
  written_logprob: -1,
  written_text: "y",
  same,
});
const pick = (sentence: number, ...heads: Head[]) => ({ sentence, heads });

describe("muting", () => {
  it("changes only the layers above the lowest muted one", () => {
    const last: Head[] = [
      [2, 0],
      [2, 5],
    ];
    expect(
      muteReason(last, [
        [2, 1],
        [0, 0],
      ]),
    ).toBe("Muting heads of layer 2 cannot change attention in layers 0 to 2 under the same target.");
    expect(muteReason([[0, 3]], [[0, 1]])).toContain("layer 0 cannot change attention in layer 0 under");
    expect(
      muteReason(
        [
          [1, 3],
          [2, 0],
        ],
        [[1, 1]],
      ),
    ).toContain("layers 1 and 2 cannot change attention in layers 0 to 1");
    expect(muteReason([[1, 3]], [[2, 1]])).toBe("");
    expect(muteReason([], [[2, 1]])).toBe("");
  });

  it("is compared with what the model writes where the same target shows nothing", () => {
    const muted: Head[] = [[2, 0]];
    expect(comparedSentence({ muted, effect: effect() }, [[2, 0]])).toBe(3);
    expect(comparedSentence({ muted: [[0, 0]], effect: effect() }, [[2, 0]])).toBe(2);
    // Another target would show something; there is none.
    expect(comparedSentence({ muted, effect: effect(true) }, [[2, 0]])).toBe(2);
    expect(comparedSentence({ muted, effect: null }, [[2, 0]])).toBeNull();
  });
});

describe("a comparison", () => {
  const muting = { muted: [[2, 0]] as Head[], effect: effect() };
  it("of the same heads of one sentence is zero, in any order of the heads", () => {
    const reason = zeroReason(pick(1, [0, 1], [1, 0]), pick(1, [1, 0], [0, 1]), { muted: [], effect: null });
    expect(reason).toContain("same heads of the same sentence");
    expect(zeroReason(pick(1, [0, 1]), pick(1, [1, 0]), muting)).toBe("");
    expect(zeroReason(pick(0, [0, 1]), pick(1, [0, 1]), muting)).toBe("");
  });

  it("of the same target with and without heads is zero up to the lowest muted layer", () => {
    expect(zeroReason(pick(2, [2, 1]), pick(0, [2, 1]), muting)).toContain("layers 0 to 2");
    expect(zeroReason(pick(0, [0, 1]), pick(2, [0, 1]), muting)).toContain("layers 0 to 2");
    const lower = { ...muting, muted: [[1, 0]] as Head[] };
    expect(zeroReason(pick(2, [2, 1]), pick(0, [2, 1]), lower)).toBe("");
    expect(zeroReason(pick(2, [1, 1]), pick(0, [1, 1]), lower)).toContain("layers 0 to 1");
  });

  it("with what the model writes now is zero only where it writes the same", () => {
    expect(zeroReason(pick(3, [2, 1]), pick(0, [2, 1]), muting)).toBe("");
    const same = { ...muting, effect: effect(true) };
    expect(zeroReason(pick(3, [2, 1]), pick(0, [2, 1]), same)).toContain("layers 0 to 2");
    expect(zeroReason(pick(3, [2, 1]), pick(2, [2, 1]), same)).toContain("still writes the same target");
  });
});
