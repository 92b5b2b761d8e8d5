// @vitest-environment node
// Kinds and places of positions, and those of the words that they are merged into.
import { describe, expect, it } from "vitest";
import { joinPlaces, kindAt, placeAt } from "../../src/core/axis";
import { makeUnits, pickUnits } from "../../src/core/units";
import { axis } from "../helpers";

const speech = {
  ...axis(["he", "llo", "you", "</s>"], [3], [0, 0, 1, -1], ["hello", "you"]),
  kind: "audio" as const,
  places: [[0.1, 0.3], [0.3, 0.55], [0.7, 0.9], null],
};

describe("an axis", () => {
  it("has one kind for all positions, one for each, or is text", () => {
    const mixed = { ...axis(["patch", "word"]), kind: ["image", "text"] as ("image" | "text")[] };
    expect([kindAt(speech, 2), kindAt(mixed, 0), kindAt(mixed, 1), kindAt(axis(["a"]), 0)]).toEqual([
      "audio",
      "image",
      "text",
      "text",
    ]);
  });

  it("has places where its positions have them", () => {
    expect([placeAt(speech, 0), placeAt(speech, 3), placeAt(axis(["a"]), 0)]).toEqual([
      [0.1, 0.3],
      null,
      null,
    ]);
  });
});

describe("merged words", () => {
  it("span the places of their tokens", () => {
    const words = makeUnits(speech, { words: true, drop: "nothing" });
    expect(words.labels).toEqual(["hello", "you", "</s>"]);
    expect(words.places).toEqual([[0.1, 0.55], [0.7, 0.9], null]);
    expect(words.kinds).toEqual(["audio", "audio", "audio"]);
    const shared = pickUnits(words, [1]);
    expect([shared.places, shared.kinds, [...shared.assign]]).toEqual([
      [[0.7, 0.9]],
      ["audio"],
      [-1, -1, 0, -1],
    ]);
  });

  it("keep the only place of their tokens, and join boxes side by side", () => {
    expect(joinPlaces(null, [1, 2])).toEqual([1, 2]);
    expect(joinPlaces([0, 0, 16, 16], [16, 8, 32, 24])).toEqual([0, 0, 32, 24]);
    expect(joinPlaces([0, 1], [0, 0, 16, 16])).toBeNull();
  });
});
