// The lines of muted heads are dashed, on the screen, and only in readings without these heads.
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Effect, Head, Traits } from "../../src/core/contract";
import { settled } from "../helpers";
import { mounted, TWO } from "../mounted";

const panel = mounted();
const HEADS: Head[] = [
  [0, 0],
  [0, 1],
];
const EFFECT: Effect = {
  base: 0,
  forced: 1,
  written: 1,
  before_logprob: null,
  forced_logprob: null,
  written_logprob: null,
  written_text: "x",
  same: true,
};

/** The colors of the lines that a panel with these traits draws dashed and solid. */
async function strokes(patch: Partial<Traits>) {
  const found = { dashed: new Set<unknown>(), solid: new Set<unknown>() };
  let dash: number[] = [];
  let color: unknown;
  const context = new Proxy({} as CanvasRenderingContext2D, {
    get(_, name) {
      if (name === "setLineDash") return (lengths: number[]) => (dash = lengths);
      if (name === "bezierCurveTo") return () => (dash.length > 0 ? found.dashed : found.solid).add(color);
      if (name === "measureText") return () => ({ width: 10 });
      return () => {};
    },
    set(_, name, value) {
      if (name === "strokeStyle") color = value;
      return true;
    },
  });
  vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(context);
  // Lines are drawn in a window that is laid out.
  const height = vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(400);
  await panel.mountTwo({ info: TWO, heads: HEADS, words: false, keep: "threshold", threshold: 0, ...patch });
  await settled();
  height.mockRestore();
  return { dashed: found.dashed.size, solid: found.solid.size };
}

afterEach(() => void vi.restoreAllMocks());

describe("muted heads", () => {
  it("have dashed lines beside the solid ones of the others", async () => {
    expect(await strokes({})).toEqual({ dashed: 0, solid: 2 });
    panel.close();
    expect(await strokes({ muted: [[0, 1]] })).toEqual({ dashed: 1, solid: 1 });
  });

  it("look as ever in the sentence that muting is compared with", async () => {
    const live = { why: "", busy: "", error: "", effect: EFFECT };
    expect(await strokes({ muted: HEADS, live, sentence: 0 })).toEqual({ dashed: 0, solid: 2 });
    panel.close();
    expect(await strokes({ muted: HEADS, live, sentence: 1 })).toEqual({ dashed: 2, solid: 0 });
  });

  it("are dashed as one where they are drawn as one, if all are muted", async () => {
    const many: Head[] = Array.from({ length: 8 }, (_, i) => [i % 2, (i >> 1) % 2]);
    expect(await strokes({ heads: many, muted: [[0, 0]] })).toEqual({ dashed: 0, solid: 1 });
    panel.close();
    const all: Head[] = [0, 1].flatMap((layer) => [0, 1].map((head): Head => [layer, head]));
    expect(await strokes({ heads: many, muted: all })).toEqual({ dashed: 1, solid: 0 });
    panel.close();
    expect(await strokes({ combined: true, muted: [[0, 0]] })).toEqual({ dashed: 0, solid: 1 });
    panel.close();
    expect(await strokes({ combined: true, muted: HEADS })).toEqual({ dashed: 1, solid: 0 });
  });
});
