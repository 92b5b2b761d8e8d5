// Bars, probability marks and brackets: the same boxes on a canvas and in SVG, in both layouts.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import type { Layout } from "../../src/core/contract";
import type { Scene } from "../../src/core/scene";
import type { Box, Surface } from "../../src/core/surface";
import type { Theme } from "../../src/core/theme";
import { uniformSlots } from "../../src/lines/geometry";
import { gutterOf, marksOf, marksText, paintMarks } from "../../src/lines/marks";
import { axis, scene } from "../helpers";

const theme = { foreground: "fore", muted: "full", ramp: { css: () => "track" } } as unknown as Theme;

function probable(base: Scene, logprobs: (number | null)[]): Scene {
  return { ...base, reply: { ...base.reply, logprobs } };
}

const source = axis(["a", "b", "c"], [], [0, 1, 1], ["a", "bc"]);
const drawn = probable(scene(["x", "y"], source, [0.25, 0.75, 0, 0.25, 0.75, 0]), [Math.log(0.5), null]);

/** All boxes filled in one color. */
function boxes(shown: Scene, layout: Layout, color: string, more = {}): Box[] {
  const found: [Box, string][] = [];
  const surface = { fill: (box: Box, filled: string) => found.push([box, filled]) } as unknown as Surface;
  const size = layout === "columns" ? { width: 200, height: 100 } : { width: 100, height: 200 };
  paintMarks(
    surface,
    marksOf(shown),
    { layout, source: uniformSlots(3, 20), target: uniformSlots(2, 20), scroll: 0, ...size, ...more },
    theme,
  );
  return found.filter(([, filled]) => filled === color).map(([box]) => box);
}

describe("marks", () => {
  it("draw a bar for each source word, half full where half of one word's weight reads it", () => {
    const [track] = boxes(drawn, "columns", "track");
    const fills = boxes(drawn, "columns", "full").filter(({ height }) => height === 6);
    expect(fills.map(({ width }) => width / (track?.width ?? 1))).toEqual([0.5, 1]);
    expect(fills.map(({ y, height }) => y + height / 2)).toEqual([10, 30]);
  });

  it("end a bar of more than 1 with a tick, so that 1.0 and 1.5 differ", () => {
    expect(boxes(drawn, "columns", "fore")).toHaveLength(1);
    expect(boxes(scene(["x"], ["a"], [1]), "columns", "fore")).toHaveLength(0);
  });

  it("draw the probability beside its target word, and nothing where it is unknown", () => {
    const tracks = boxes(drawn, "columns", "track").filter(({ x }) => x > 100);
    expect(tracks).toHaveLength(1);
    const [fill] = boxes(drawn, "columns", "full").filter(({ x, height }) => x > 100 && height === 3);
    expect((fill?.width ?? 0) / (tracks[0]?.width ?? 1)).toBeCloseTo(0.5);
    // It grows from its word.
    expect((fill?.x ?? 0) + (fill?.width ?? 0)).toBe((tracks[0]?.x ?? 0) + (tracks[0]?.width ?? 0));
    expect(gutterOf(marksOf(scene(["x"], ["a"], [1]))).target).toBeLessThan(gutterOf(marksOf(drawn)).target);
    expect(marksText(drawn, marksOf(drawn))).toContain("how probable each target token");
    expect(marksText(drawn, marksOf(scene(["x"], ["a"], [1])))).not.toContain("probable");
  });

  it("bracket the pieces of one word, and nothing in a view of words", () => {
    expect(marksOf(drawn).pieces).toEqual({ source: [{ first: 1, last: 2 }], target: [] });
    const spine = boxes(drawn, "columns", "full").find(({ height }) => height > 20);
    expect([spine?.y, (spine?.y ?? 0) + (spine?.height ?? 0)]).toEqual([24, 56]);
    const words = scene(["x"], source, [0.5, 0.5], { spec: { ...drawn.spec, words: true } });
    expect(marksOf(words).pieces.source).toEqual([]);
  });

  it("lie the same way in rows, turned", () => {
    const turned = ({ x, y, width, height }: Box) => ({ x: y, y: x, width: height, height: width });
    for (const color of ["track", "full", "fore"])
      expect(boxes(drawn, "rows", color).map(turned)).toEqual(boxes(drawn, "columns", color));
  });

  it("are drawn for the tokens in the window only", () => {
    const many = Array.from({ length: 512 }, (_, i) => `w${i}`);
    const long = scene(["x"], many, Array(512).fill(1 / 512));
    const slots = { source: uniformSlots(512, 24), target: uniformSlots(1, 24), scroll: 2400, height: 240 };
    expect(boxes(long, "columns", "track", slots).length).toBeLessThanOrEqual(11);
    expect(boxes(long, "columns", "track", slots)[0]?.y).toBeLessThanOrEqual(9);
  });
});
