// The axis of time: its shown part, ticks and texts, what falls into a pixel, and the windows of a recording.
import { describe, expect, it } from "vitest";
import type { Drop } from "../../src/core/dropping";
import { makeUnits } from "../../src/core/units";
import { cursorStep, soundMove } from "../../src/speech/keys";
import { soundLayout, timeAt, xOf } from "../../src/speech/layout";
import { windowsOf } from "../../src/speech/recording";
import { columnsOf, frameColumns, peaksOf } from "../../src/speech/resample";
import { clipTiming, timingOf } from "../../src/speech/rows";
import {
  errorText,
  fitSpan,
  indexAt,
  isZoomed,
  lengthOf,
  pageTo,
  panSpan,
  spanText,
  ticksOf,
  timeText,
  zoomSpan,
} from "../../src/speech/timeline";
import { axis, sentenceInfo } from "../helpers";

const WHOLE = { start: 0, end: 30 };

describe("the shown part", () => {
  it("stays inside the whole, and keeps the time under the pointer where it is", () => {
    let span = { ...WHOLE };
    for (const [factor, share] of [
      [0.5, 0.2],
      [0.5, 0.9],
      [0.3, 0.5],
      [1.7, 0.1],
    ] as const) {
      const fixed = span.start + share * lengthOf(span);
      const next = zoomSpan(span, WHOLE, factor, fixed);
      expect(next.start).toBeGreaterThanOrEqual(0);
      expect(next.end).toBeLessThanOrEqual(30 + 1e-9);
      if (next.start > 0 && next.end < 30)
        expect((fixed - next.start) / lengthOf(next)).toBeCloseTo((fixed - span.start) / lengthOf(span));
      span = next;
    }
    expect(zoomSpan(span, WHOLE, 1e6, 3)).toEqual(WHOLE);
    expect(lengthOf(zoomSpan(span, WHOLE, 1e-6, span.start + 0.1))).toBeCloseTo(0.2);
  });

  it("is moved up to the edges, and turned to a time outside", () => {
    const span = { start: 10, end: 12 };
    expect(panSpan(span, WHOLE, 5)).toEqual({ start: 15, end: 17 });
    expect(panSpan(span, WHOLE, 500)).toEqual({ start: 28, end: 30 });
    expect(panSpan(span, WHOLE, -500)).toEqual({ start: 0, end: 2 });
    expect(pageTo(span, WHOLE, 11)).toBe(span);
    expect(pageTo(span, WHOLE, 13)).toEqual({ start: 12.9, end: 14.9 });
    expect(fitSpan({ start: -3, end: 90 }, WHOLE)).toEqual(WHOLE);
    expect([isZoomed(WHOLE, WHOLE), isZoomed(span, WHOLE)]).toEqual([false, true]);
  });

  it("of a sound shorter than the shortest part is all of it", () => {
    const short = { start: 0, end: 0.1 };
    expect(zoomSpan(short, short, 0.5, 0.05)).toEqual(short);
  });
});

describe("times", () => {
  it("are written with the decimals that the step needs, and with minutes", () => {
    expect([timeText(3.416), timeText(3, 1), timeText(59.999, 0.1)]).toEqual(["3.42 s", "3 s", "1:00.0"]);
    expect([timeText(63.42), timeText(600, 60), timeText(3599.99, 0.1)]).toEqual([
      "1:03.42",
      "10:00",
      "60:00.0",
    ]);
    expect(spanText({ start: 1, end: 2.345 })).toBe("1.00–2.35 s");
    expect(spanText({ start: 1, end: 2 }, 60)).toBe("1:01.00–1:02.00");
    expect([errorText(0.0504), errorText(-0.2)]).toEqual(["+50 ms", "−200 ms"]);
  });

  it("have ticks on round numbers that do not touch", () => {
    for (const [start, end] of [
      [0, 30],
      [12.3, 12.7],
      [0, 3600],
    ] as const) {
      const { step, times } = ticksOf({ start, end }, 700, 64);
      expect((step / (end - start)) * 700).toBeGreaterThanOrEqual(64);
      expect(times.length).toBeGreaterThan(1);
      for (const time of times) expect(Math.abs(time / step - Math.round(time / step))).toBeLessThan(1e-6);
    }
  });

  it("belong to the word that is spoken then, and to none in a pause", () => {
    const words = [
      { start: 0, end: 1 },
      { start: 1, end: 1.5 },
      { start: 2, end: 3 },
    ];
    expect([-1, 0, 0.99, 1, 1.6, 2, 3].map((time) => indexAt(words, time))).toEqual([-1, 0, 0, 1, -1, 2, -1]);
  });
});

describe("pixels", () => {
  it("show the largest weight of every position that falls into them", () => {
    const places = Array.from({ length: 10 }, (_, i) => ({ start: i / 10, end: (i + 1) / 10 }));
    const values = Float32Array.from([1, 5, 2, 0, 0, 7, 1, 1, 9, 3]);
    const peaks = new Float32Array(5);
    peaksOf(values, 0, columnsOf(places, { start: 0, end: 1 }, 5), peaks);
    expect([...peaks]).toEqual([5, 2, 7, 1, 9]);
    const close = new Float32Array(4);
    peaksOf(values, 0, columnsOf(places, { start: 0.5, end: 0.7 }, 4), close);
    expect([...close]).toEqual([7, 7, 1, 1]);
    const gap = columnsOf(
      [
        { start: 0, end: 0.1 },
        { start: 0.9, end: 1 },
      ],
      { start: 0, end: 1 },
      10,
    );
    expect([...gap.to].map((to, i) => to - (gap.from[i] ?? 0))).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  });

  it("show at least one frame each", () => {
    const { from, to } = frameColumns(100, 10, { start: 2, end: 2.2 }, 50);
    expect([from[0], to[49]]).toEqual([20, 22]);
    expect([...from].every((start, i) => (to[i] ?? 0) > start)).toBe(true);
  });

  it("and times are inverse to each other", () => {
    const space = {
      width: 800,
      rows: 20,
      hasPicture: true,
      hasGold: false,
      strips: 0,
      hasOutside: true,
      labels: 60,
    };
    const layout = soundLayout({ ...space, enlarged: false });
    const span = { start: 3, end: 8 };
    for (const time of [3, 4.4, 8]) expect(timeAt(layout, span, xOf(layout, span, time))).toBeCloseTo(time);
    // A hundred rows are low, until they are enlarged.
    const many = { ...space, rows: 100 };
    expect(soundLayout({ ...many, enlarged: false }).row).toBeLessThan(6);
    expect(soundLayout({ ...many, enlarged: true }).row).toBeGreaterThanOrEqual(16);
  });
});

describe("the timing of a part of the axis", () => {
  it("has nothing beyond its ends, and keeps the numbers of words", () => {
    const gold = { text: "b", start: 0.9, end: 2.5, word: 1 };
    const word = (text: string, start: number, end: number) => ({
      ...{ text, start, end, confidence: null, row: 0, gold: text === "b" ? gold : null },
    });
    const timing = {
      words: [word("a", 0, 1), word("b", 1, 2), word("c", 2, 3)],
      wordOfRow: new Int32Array(0),
      path: [0, 1, 2, 3].map((row) => ({ row, start: row * 0.75, end: (row + 1) * 0.75 })),
    };
    const { words, path } = clipTiming(timing, { start: 1.25, end: 1.75 });
    expect(words.map(({ text, start, end }) => [text, start, end])).toEqual([
      ["a", 0, 1],
      ["b", 1.25, 1.75],
      ["c", 2, 3],
    ]);
    expect(words[1]?.gold).toMatchObject({ start: 1.25, end: 1.75 });
    expect(path).toEqual([
      { row: 1, start: 1.25, end: 1.5 },
      { row: 2, start: 1.5, end: 1.75 },
    ]);
  });
});

describe("the words of rows", () => {
  const reply = {
    words: [
      { text: "ab", start: 0, end: 0.4, confidence: 0.5, rows: [1, 3] as [number, number] },
      { text: "c", start: 0.4, end: 0.6, confidence: null, rows: [3, 4] as [number, number] },
    ],
    path: [[1, 0, 0.2] as [number, number, number], [2, 0.2, 0.4] as [number, number, number]],
    heads: [],
    lag: 0,
    chosen: "model" as const,
    gold: [{ text: "c", start: 0.5, end: 0.6, word: 1 }],
  };
  const target = axis(["<s>", "a", "b", "c", "</s>"], [0, 4], [-1, 0, 0, 1, -1], ["ab", "c"]);

  it("are found under both readings, merged or not, dropped or not", () => {
    const rows = (words: boolean, drop: Drop, reading: "output" | "input") => [
      ...timingOf(reply, makeUnits(target, { words, drop }), reading).wordOfRow,
    ];
    expect(rows(false, "nothing", "output")).toEqual([-1, 0, 0, 1, -1]);
    expect(rows(true, "nothing", "output")).toEqual([-1, 0, 1, -1]);
    expect(rows(true, "drop", "output")).toEqual([0, 1]);
    expect(rows(false, "nothing", "input")).toEqual([-1, -1, 0, 0, 1]);
    const { words, path } = timingOf(reply, makeUnits(target, { words: true, drop: "drop" }), "output");
    expect(words.map(({ row, gold }) => [row, gold?.start ?? null])).toEqual([
      [0, null],
      [1, 0.5],
    ]);
    expect(path.map(({ row }) => row)).toEqual([0, 0]);
  });
});

describe("the windows of a recording", () => {
  const window = (offset: number, seconds: number, group: number, rate = 16000) =>
    sentenceInfo({
      group,
      sound: { seconds, rate, offset, peaks: "", features: null, marked: { model: [], calibrated: [] } },
    });

  it("are neighbors whose sounds follow one another", () => {
    const list = [window(0, 30, 0), window(28, 30, 1), window(58.5, 10, 2), window(0, 5, 3), window(0, 6, 4)];
    expect(windowsOf(list, 1).map(({ sentence }) => sentence)).toEqual([0, 1, 2]);
    expect(windowsOf(list, 0)).toEqual(windowsOf(list, 2));
    expect(windowsOf(list, 3).map(({ sentence }) => sentence)).toEqual([3]);
    expect(windowsOf([sentenceInfo()], 0)).toEqual([]);
  });

  it("count once, whatever readings they have", () => {
    const list = [window(0, 30, 0), window(0, 30, 0), window(30, 30, 1), window(30, 30, 1)];
    expect(windowsOf(list, 3).map(({ sentence }) => sentence)).toEqual([0, 3]);
  });
});

describe("keys", () => {
  it("play, walk, select and zoom", () => {
    expect(soundMove(" ", false)).toEqual({ kind: "play" });
    expect(soundMove("ArrowRight", true)).toEqual({ kind: "cursor", by: 1, selects: true });
    expect(soundMove("a", false)).toBeNull();
    expect([30, 5, 1].map(cursorStep)).toEqual([0.1, 0.02, 0.01]);
  });
});
