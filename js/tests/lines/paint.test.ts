// One routine draws the lines on the screen and in files: the same curves on a canvas and in SVG.
import { describe, expect, it } from "vitest";
import type { Style } from "../../src/core/markup";
import { canvasSurface, type Surface, svgSurface } from "../../src/core/surface";
import { uniformSlots } from "../../src/lines/geometry";
import { type LineStage, paintLines, paintReference } from "../../src/lines/paint";
import { collectLines } from "../../src/lines/selection";

const stage: LineStage = {
  layout: "columns",
  source: uniformSlots(3, 20),
  target: uniformSlots(2, 20),
  scroll: 0,
  width: 100,
  height: 60,
};

/** A canvas that writes down the curves drawn on it, as the paths of SVG would have them. */
function recorded() {
  const curves: string[] = [];
  let from = "";
  const context = new Proxy({} as CanvasRenderingContext2D, {
    get(_, name) {
      if (name === "moveTo") return (x: number, y: number) => (from = `M${x} ${y}`);
      if (name === "bezierCurveTo") return (...at: number[]) => curves.push(`${from}C${at.join(" ")}`);
      return () => {};
    },
    set: () => true,
  });
  return { surface: canvasSurface(context), curves };
}

function paths(surface: ReturnType<typeof svgSurface>): string[] {
  const page = new DOMParser().parseFromString(`<svg>${surface.markup()}</svg>`, "image/svg+xml");
  return [...page.querySelectorAll("path")].map((path) => path.getAttribute("d") ?? "");
}

describe("painting", () => {
  it("draws coinciding lines of two heads apart and parallel, level or aslant", () => {
    const sets = [Float32Array.from([0.5, 0, 0, 0, 0, 0.5]), Float32Array.from([0.5, 0, 0, 0, 0, 0.5])];
    const lines = collectLines(
      sets,
      3,
      sets.map(() => new Float32Array(2)),
      100,
    );
    const canvas = recorded();
    paintLines(canvas.surface, lines, { ...stage, gutter: { source: 10, target: 20 } }, ["red", "blue"]);
    const numbers = canvas.curves.map((curve) => curve.split(/[MC ]/).filter(Boolean).map(Number));
    expect(numbers).toHaveLength(4);
    // They end where the marks begin.
    expect(numbers.every((curve) => curve[0] === 10 && curve[6] === 80)).toBe(true);
    const starts = numbers.map((curve) => curve[1] ?? 0).sort((a, b) => a - b);
    expect((starts[1] ?? 0) - (starts[0] ?? 0)).toBeGreaterThan(2.5);
    expect(((starts[0] ?? 0) + (starts[1] ?? 0)) / 2).toBeCloseTo(10);
    // The slanted pair turns at different places: it would touch halfway otherwise.
    const slanted = numbers.filter((curve) => (curve[1] ?? 0) > 20).map((curve) => curve[2] ?? 0);
    expect(Math.abs((slanted[0] ?? 0) - (slanted[1] ?? 0))).toBeGreaterThan(0.3);
  });

  it("draws the same curves on a canvas and in SVG", () => {
    const weights = Float32Array.from([0.1, 0.6, 0.3, 0.9, 0, 0.1]);
    const lines = collectLines([weights], 3, [new Float32Array(2)], 100);
    const faint = { source: [false, true, false], target: [false, false] };
    const paint = (surface: Surface) => {
      paintLines(surface, lines, stage, ["red"], faint);
      paintReference(surface, [{ source: [0, 1], target: [1], sure: false }], stage, "blue");
    };
    const canvas = recorded();
    paint(canvas.surface);
    const svg = svgSurface({ measure: () => 0 } as unknown as Style);
    paint(svg);
    expect(canvas.curves).toHaveLength(6);
    expect(paths(svg)).toEqual(canvas.curves);
    expect(svg.markup()).toContain('stroke-dasharray="4 3"');
  });
});
