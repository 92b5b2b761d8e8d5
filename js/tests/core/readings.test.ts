// When the other reading is said to be better.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { betterReading } from "../../src/core/readings";

// Of the demo model, on 50 sentences: head (0, 6), (1, 5) and (2, 6), with error rates by gold of .88 and .18, .64 and
// .76, and .24 and .89 under the output and the input reading.
const guess = { output: [[0.537, 0.303, 0.635]], input: [[0.65, 0.347, 0.462]], words: 381 };
const better = (head: number, reading: "output" | "input", words = guess.words) =>
  betterReading({ ...guess, words }, [[0, head]], reading);

describe("the better reading", () => {
  it("is the other one where a head aligns clearly better under it, and none after the switch", () => {
    expect([better(0, "output"), better(0, "input")]).toEqual(["input", null]);
    expect([better(2, "input"), better(2, "output")]).toEqual(["output", null]);
  });

  it("is nothing for a head that aligns under neither, whichever is a little better", () => {
    expect([better(1, "output"), better(1, "input")]).toEqual([null, null]);
  });

  it("needs more of a difference where few words were seen", () => {
    expect([better(0, "output", 7), better(0, "output", 0)]).toEqual([null, null]);
  });

  it("is that of several heads on average", () => {
    expect(
      betterReading(
        guess,
        [
          [0, 0],
          [0, 2],
        ],
        "output",
      ),
    ).toBeNull();
    expect(betterReading(guess, [], "output")).toBeNull();
  });

  it("is nothing without a guess, for undefined values and for heads of another model", () => {
    expect(betterReading(null, [[0, 0]], "output")).toBeNull();
    expect(betterReading(undefined, [[0, 0]], "output")).toBeNull();
    const holes = { output: [[null]], input: [[0.9]], words: 900 };
    expect(betterReading(holes, [[0, 0]], "output")).toBeNull();
    expect(betterReading(guess, [[7, 7]], "output")).toBeNull();
  });
});
