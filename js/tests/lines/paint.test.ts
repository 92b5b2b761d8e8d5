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
