// The small drawing of a sentence: words with lines, or a map.
import { describe, expect, it } from "vitest";
import type { Style } from "../../src/core/markup";
import { makeDiverging, makeRamp } from "../../src/core/scales";
import { svgSurface } from "../../src/core/surface";
import { boxHeight, paintSentence, READABLE, reducePeaks } from "../../src/sentences/drawing";
import { scene } from "../helpers";

const white = [255, 255, 255] as const;
const style: Style = {
  theme: {
    dark: false,
    background: white,
    foreground: "black",
    muted: "gray",
    paper: "white",
    accent: "blue",
    mark: "red",
    ramp: makeRamp(white, false),
    diverging: makeDiverging(white, false),
  },
  family: "sans-serif",
  measure: (text) => text.length * 6,
};

function drawn(target: string[], source: string[], weights: number[], width = 240) {
  const shown = scene(target, source, weights);
  const surface = svgSurface(style);
  paintSentence(surface, shown, { width, height: boxHeight(target.length) }, style.theme, "orange", false);
  const page = new DOMParser().parseFromString(`<svg>${surface.markup()}</svg>`, "image/svg+xml");
  const all = (name: string) => [...page.querySelectorAll(name)];
  return { all, texts: all("text").map((text) => text.textContent) };
}

const labels = (count: number, letter: string) => Array.from({ length: count }, (_, i) => `${letter}${i}`);

describe("a short sentence", () => {
  it("is drawn as its words, with lines as strong as the weights, the strongest on top", () => {
    const { all, texts } = drawn(["x", "y"], ["a", "b"], [0.9, 0.1, 0.01, 0.5]);
    expect(texts).toEqual(["a", "b", "x", "y"]);
    const widths = all("path").map((path) => Number(path.getAttribute("stroke-width")));
    expect(widths).toHaveLength(3);
    expect(widths).toEqual([...widths].sort((a, b) => a - b));
    expect(new Set(all("path").map((path) => path.getAttribute("stroke")))).toEqual(new Set(["orange"]));
  });

  it("may have one token, no weight, and words that do not fit", () => {
    expect(drawn(["x"], ["a"], [1]).all("path")).toHaveLength(1);
    expect(drawn(["x"], ["a"], [0]).all("path")).toHaveLength(0);
    expect(drawn(["x"], ["a"], [Number.NaN]).all("path")).toHaveLength(0);
    const { texts } = drawn(["x"], ["Donaudampfschifffahrtsgesellschaft"], [1], 100);
    expect(texts[0]).toMatch(/^Do.*…$/);
  });
});

describe("a long sentence", () => {
  it("is drawn as a map without words", () => {
    const count = READABLE + 1;
    const { all, texts } = drawn(
      labels(count, "t"),
      labels(2, "s"),
      Array.from({ length: count * 2 }, () => 0.5),
    );
    expect([texts, all("rect").length]).toEqual([[], count * 2]);
  });

  it("keeps its peaks where it has more positions than pixels", () => {
    const weights = new Float32Array(512 * 512);
    weights[511 * 512 + 300] = 0.8;
    const peaks = reducePeaks(weights, 512, 512, 150, 240);
    expect(peaks).toHaveLength(150 * 240);
    expect([...peaks].filter((weight) => weight > 0)).toHaveLength(1);
    expect(peaks[149 * 240 + Math.floor((300 * 240) / 512)]).toBeCloseTo(0.8);
    expect(reducePeaks(weights, 512, 512, 512, 512)).toBe(weights);
  });
});
