// Pure functions of the new views: filters of lines, comparison, heat-map windows, scatter, search, files.
import { describe, expect, it } from "vitest";
import { differenceOf, sharedUnits } from "../src/compare/difference";
import type { Axis, Reference } from "../src/core/contract";
import { csvText, jsonText, pharaohText, scoresCsv } from "../src/core/files";
import { formatDifference, headsName } from "../src/core/format";
import { referenceLines, referenceMarks } from "../src/core/heat/cells";
import { heatLayout, scrollTo, shownLabels, visibleRange } from "../src/core/heat/layout";
import { escaped, label, page, type Style } from "../src/core/markup";
import { differenceShade, makeDiverging, makeRamp } from "../src/core/scales";
import type { Scene } from "../src/core/scene";
import { makeUnits } from "../src/core/units";
import { findTokens, folded } from "../src/frame/find";
import { collectLines, rowCuts, scaledSlots, strongest, uniformSlots } from "../src/lines/geometry";
import { dotsOf, nextDot, niceScale, position } from "../src/scores/geometry";
import { axis, sentenceInfo } from "./helpers";

function scene(
  target: string[] | Axis,
  source: string[] | Axis,
  weights: number[],
  more: Partial<Scene> = {},
): Scene {
  const [t, s] = [target, source].map((side) => (Array.isArray(side) ? axis(side) : side)) as [Axis, Axis];
  const options = { words: more.spec?.words ?? false, drop: false };
  const matrix = Float32Array.from(weights);
  return {
    spec: {
      sentence: 0,
      heads: [[0, 0]],
      aggregate: "mean",
      words: false,
      drop: false,
      reading: "output",
    },
    reply: {
      source: s,
      target: { output: t, input: t },
      logprobs: null,
      generated: false,
      reference: null,
      notes: [],
    },
    source: makeUnits(s, options),
    target: makeUnits(t, options),
    sets: [matrix],
    aggregate: matrix,
    aggregated: false,
    top: 1,
    ...more,
  };
}

describe("filters of lines", () => {
  const row = Float32Array.from([0.1, 0.5, 0.1, 0.3, 0.25, 0.25, 0.25, 0.25]);
  const filter = { threshold: 0.2, top_k: 2, mass: 0.8 };
  const kept = (keep: "threshold" | "top" | "mass", more = {}) => {
    const cuts = rowCuts(row, 4, { ...filter, keep, ...more });
    return [0, 1].map(
      (r) => [...row.slice(r * 4, r * 4 + 4)].filter((weight) => weight >= (cuts[r] ?? 0)).length,
    );
  };

  it("keep by weight, by rank and by mass, equals together", () => {
    expect(kept("threshold")).toEqual([2, 4]);
    expect(kept("top")).toEqual([2, 4]);
    expect(kept("mass")).toEqual([2, 4]);
    expect(kept("mass", { mass: 0.5 })).toEqual([1, 4]);
    expect(kept("mass", { mass: 1 })).toEqual([4, 4]);
    expect(kept("top", { top_k: 100 })).toEqual([4, 4]);
    expect(kept("mass", { mass: 0 })).toEqual([0, 0]);
  });
});

describe("overview", () => {
  it("keeps the strongest lines and shrinks the places of tokens", () => {
    const row = Float32Array.from([0.1, 0.4, 0.2, 0.3]);
    const lines = collectLines([row], 4, [new Float32Array(1)], 100);
    expect([...strongest(lines, 2).weight].map((weight) => weight.toFixed(1))).toEqual(["0.3", "0.4"]);
    expect([...strongest(lines, 9).source]).toEqual([0, 2, 3, 1]);
    expect([...scaledSlots(uniformSlots(3, 24), 0.25).edges]).toEqual([0, 6, 12, 18]);
  });
});

describe("comparison", () => {
  it("pairs equal labels in order", () => {
    expect(sharedUnits(["a", "b", "c"], ["a", "b", "c"])).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
    ]);
    expect(sharedUnits(["I", "read", "a", "book", "."], ["I", "have", "read", "the", "book", "."])).toEqual([
      [0, 0],
      [1, 2],
      [3, 4],
      [4, 5],
    ]);
    expect(sharedUnits(["a"], ["b"])).toEqual([]);
    expect(sharedUnits([], ["b"])).toEqual([]);
  });

  it("is as long as the longest common subsequence by the plain recursion", () => {
    let seed = 7;
    const random = () => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return seed;
    };
    const longest = (a: string[], b: string[]): number => {
      if (a.length === 0 || b.length === 0) return 0;
      const [x, ...as] = a;
      const [y, ...bs] = b;
      return x === y ? 1 + longest(as, bs) : Math.max(longest(as, b), longest(a, bs));
    };
    for (let i = 0; i < 60; i++) {
      const words = () => Array.from({ length: random() % 7 }, () => "abc"[random() % 3] ?? "");
      const [a, b] = [words(), words()];
      const pairs = sharedUnits(a, b);
      expect(pairs.length).toBe(longest(a, b));
      expect(pairs.every(([i, j]) => a[i] === b[j])).toBe(true);
      expect(
        pairs.every(([i, j], k) => k === 0 || (i > (pairs[k - 1]?.[0] ?? 0) && j > (pairs[k - 1]?.[1] ?? 0))),
      ).toBe(true);
    }
  });

  it("subtracts over what both have", () => {
    const a = scene(["x", "y"], ["s", "t"], [0.9, 0.1, 0.2, 0.8]);
    const b = scene(["w", "y"], ["s", "t"], [0.5, 0.5, 0.6, 0.4]);
    const difference = differenceOf(a, b);
    expect(difference?.target.labels).toEqual(["y"]);
    expect([...(difference?.values ?? [])].map((value) => value.toFixed(2))).toEqual(["-0.40", "0.40"]);
    expect(difference?.top).toBeCloseTo(0.4);
    expect(differenceOf(a, scene(["q"], ["s", "t"], [0, 1]))).toBeNull();
  });

  it("colors no difference like the background, in both themes, and the signs apart", () => {
    for (const [dark, ground] of [
      [false, [255, 255, 255]],
      [true, [21, 24, 29]],
    ] as const) {
      const ramp = makeDiverging(ground, dark);
      const middle = ramp.colors[128] ?? [0, 0, 0];
      for (const k of [0, 1, 2] as const) expect(Math.abs(middle[k] - ground[k])).toBeLessThan(6);
      const [low, high] = [ramp.colors[20] ?? [0, 0, 0], ramp.colors[235] ?? [0, 0, 0]];
      expect(low[0]).toBeGreaterThan(low[2]);
      expect(high[2]).toBeGreaterThan(high[0]);
    }
    expect([
      differenceShade(0, 1),
      differenceShade(-1, 1),
      differenceShade(1, 1),
      differenceShade(0, 0),
    ]).toEqual([0.5, 0, 1, 0.5]);
    expect(makeRamp([255, 255, 255], false).colors[0]).toEqual([255, 255, 255]);
    expect([formatDifference(0.001), formatDifference(-0.2), formatDifference(0.2)]).toEqual([
      "0.00",
      "−0.20",
      "+0.20",
    ]);
  });

  it("names picks in few words", () => {
    expect(headsName([[1, 2]], "mean", 8)).toBe("layer 1, head 2");
    expect(
      headsName(
        [
          [1, 0],
          [1, 1],
        ],
        "mean",
        2,
      ),
    ).toBe("layer 1, mean of all heads");
    expect(
      headsName(
        [
          [1, 0],
          [1, 1],
        ],
        "max",
        8,
      ),
    ).toBe("max of 2 heads of layer 1");
    expect(
      headsName(
        [
          [1, 0],
          [2, 1],
        ],
        "max",
        8,
      ),
    ).toBe("max of 2 heads");
  });
});

describe("heat map windows", () => {
  const room = { width: 800, height: 500, leftLabels: 60, topLabels: 50 };

  it("fits what fits, and enlarges what is too small to read", () => {
    const small = heatLayout(5, 5, room, false);
    expect([small.cell.width, small.cell.height]).toEqual([64, 40]);
    const large = heatLayout(512, 512, room, false);
    expect(large.cell.width).toBeLessThan(2);
    const enlarged = heatLayout(512, 512, room, true);
    expect([enlarged.cell.width, enlarged.cell.height]).toEqual([26, 18]);
    expect(enlarged.width).toBe(60 + 512 * 26);
  });

  it("names the visible cells, none outside the map", () => {
    expect(visibleRange(0, 100, 10, 50)).toEqual([0, 10]);
    expect(visibleRange(95, 100, 10, 50)).toEqual([9, 20]);
    expect(visibleRange(450, 100, 10, 50)).toEqual([45, 50]);
    expect(visibleRange(900, 100, 10, 50)).toEqual([50, 50]);
  });

  it("shows labels that never touch, whatever the size of the cells", () => {
    for (let slot = 0.5; slot < 40; slot += 0.7)
      for (const count of [1, 2, 7, 100, 512]) {
        const shown = shownLabels(count, slot, 0, count);
        expect(shown.length).toBeGreaterThan(0);
        shown.forEach((index, i) => {
          expect(index).toBeGreaterThanOrEqual(0);
          expect(index).toBeLessThan(count);
          if (i > 0) expect((index - (shown[i - 1] ?? 0)) * slot).toBeGreaterThanOrEqual(15 - 1e-9);
        });
      }
    // The same labels stay while scrolling.
    const whole = shownLabels(512, 2, 0, 512);
    expect(shownLabels(512, 2, 100, 200)).toEqual(whole.filter((index) => index >= 100 && index < 200));
  });

  it("scrolls no further than a cell needs", () => {
    expect([scrollTo(100, 200, 150, 10), scrollTo(100, 200, 40, 10), scrollTo(100, 200, 295, 10)]).toEqual([
      100, 40, 105,
    ]);
  });
});

describe("scatter", () => {
  it("ends its axes at round numbers around all values", () => {
    for (const values of [
      [0.278, 0.85],
      [3, 3],
      [0, 0],
      [-12, 40],
      [1e-7, 2e-7],
    ]) {
      const scale = niceScale(values);
      expect(scale.low).toBeLessThanOrEqual(Math.min(...values));
      expect(scale.high).toBeGreaterThanOrEqual(Math.max(...values));
      expect(scale.ticks[0]).toBeCloseTo(scale.low, 12);
      expect(scale.ticks.length).toBeLessThan(9);
      expect(position(scale.high, scale, 100)).toBeCloseTo(100);
    }
  });

  it("has a dot where both scores are defined, and walks to the next one", () => {
    const dots = dotsOf(
      [
        [1, null],
        [2, 3],
      ],
      [
        [1, 2],
        [Number.NaN, 4],
      ],
    );
    expect(dots.map(({ head }) => head)).toEqual([
      [0, 0],
      [1, 1],
    ]);
    const places = [
      { x: 0, y: 0 },
      { x: 10, y: 1 },
      { x: 5, y: 20 },
      { x: 0, y: 0 },
    ];
    expect([
      nextDot(places, 0, "ArrowDown"),
      nextDot(places, 1, "ArrowLeft"),
      nextDot(places, 1, "ArrowRight"),
    ]).toEqual([3, 0, null]);
    expect(nextDot(places, 3, "ArrowRight")).toBe(1);
    // Every dot can be reached from every other.
    const seen = new Set([0]);
    for (const at of seen)
      for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]) {
        const next = nextDot(places, at, key);
        if (next !== null) seen.add(next);
      }
    expect(seen.size).toBe(4);
  });
});

describe("search", () => {
  it("finds pieces without regard to case and accents", () => {
    expect(folded("Éa")).toBe("ea");
    const found = findTokens(scene(["Été", "x"], ["ete", "y"], [1, 0, 0, 1]), " E ");
    expect(found).toEqual([
      { side: "source", unit: 0 },
      { side: "target", unit: 0 },
    ]);
    expect(findTokens(scene(["a"], ["a"], [1]), "  ")).toEqual([]);
  });
});

describe("reference", () => {
  const source = axis(["un", "do", "it", "</s>"], [3], [0, 0, 1, -1], ["undo", "it"]);
  const target = axis(["re", "it", "</s>"], [2], [0, 1, -1], ["re", "it"]);
  const weights = [0.4, 0.3, 0.2, 0.1, 0.1, 0.1, 0.7, 0.1, 0.1, 0.1, 0.1, 0.7];
  const reference: Reference = {
    links: [
      [0, 0, true],
      [1, 1, false],
    ],
    words: true,
  };

  it("joins the pieces of its words", () => {
    const shown = scene(target, source, weights);
    shown.reply.reference = reference;
    expect(referenceLines(shown)).toEqual([
      { source: [0, 1], target: [0], sure: true },
      { source: [2], target: [1], sure: false },
    ]);
    expect(referenceMarks(shown).map(({ row, column, sure }) => [row, column, sure])).toEqual([
      [0, 0, true],
      [0, 1, true],
      [1, 2, false],
    ]);
  });

  it("of tokens moves by one where rows are labeled by what they read", () => {
    const shown = scene(target, source, weights);
    shown.reply.reference = { links: [[2, 1, true]], words: false };
    expect(referenceLines(shown)[0]?.target).toEqual([1]);
    shown.spec.reading = "input";
    expect(referenceLines(shown)[0]?.target).toEqual([2]);
  });
});

describe("files", () => {
  const shown = scene(["a,b", '=1+"2"'], ["x", "y\n"], [0.25, 0.75, 1, 0]);

  it("quote what a CSV would break on, and change nothing", () => {
    expect(csvText(shown, ["layer 0, head 0"]).split("\n").slice(0, 2)).toEqual([
      "heads,target,target_token,source,source_token,weight",
      '"layer 0, head 0",0,"a,b",0,x,0.25',
    ]);
    expect(csvText(shown, ["h"])).toContain(`"=1+""2"""`);
  });

  it("hold the shown matrix and what it is in JSON", () => {
    const data = JSON.parse(jsonText(shown, sentenceInfo({ name: "before" }), false));
    expect([data.mean, data.name, data.heads]).toEqual([
      [
        [0.25, 0.75],
        [1, 0],
      ],
      "before",
      [[0, 0]],
    ]);
    expect(data.weights).toContain("0.004");
  });

  it("align each target word with its strongest source word, special tokens passed over", () => {
    const source = axis(["</s>", "s", "t"], [0]);
    const target = axis(["x", "y", "</s>"], [2]);
    const aligned = scene(
      { ...target, groups: [0, 1, -1] },
      { ...source, groups: [-1, 0, 1] },
      [0.8, 0.05, 0.15, 0.1, 0.9, 0, 1, 0, 0],
    );
    expect(pharaohText(aligned)).toBe("1-0 0-1\n");
  });

  it("name scores by their signatures", () => {
    const grids = new Map([["e", { values: [[0.5, null]], signature: "e|v:1" }]]);
    const list = [{ name: "e", direction: "lower", description: "", signature: "e|v:1" } as const];
    expect(scoresCsv(list, grids)).toBe("layer,head,e|v:1\n0,0,0.5\n0,1,\n");
  });

  it("are valid XML whatever the tokens are", () => {
    const theme = { foreground: "black", muted: "gray", paper: "white" } as Style["theme"];
    const style: Style = { theme, family: 'A, "B"', measure: (text) => text.length };
    const hostile = [
      "</text><script>",
      "a&b",
      '"',
      "\u0000\u0008",
      "\ud800",
      "\ufffe",
      "\u202e",
      "x".repeat(10_000),
    ];
    const drawing = {
      width: 10,
      height: 10,
      body: hostile.map((text) => label(text, { x: 1, y: 2 })).join(""),
    };
    const parsed = new DOMParser().parseFromString(page(drawing, hostile.join(" "), style), "image/svg+xml");
    expect(parsed.querySelector("parsererror")).toBeNull();
    expect(parsed.querySelector("script")).toBeNull();
    expect(parsed.querySelectorAll("text")).toHaveLength(1 + hostile.length);
    expect(escaped('<&">')).toBe("&lt;&amp;&quot;&gt;");
  });
});
