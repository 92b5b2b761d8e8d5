// A strip for each head: which heads have one, how high they stand, and what is said of them.
import { describe, expect, it } from "vitest";
import type { Head } from "../../src/core/contract";
import type { CellPicture, Surface } from "../../src/core/surface";
import type { Theme } from "../../src/core/theme";
import type { SoundContent } from "../../src/speech/content";
import { soundLayout } from "../../src/speech/layout";
import { paintStrips, stripsText } from "../../src/speech/strips";
import { type HeadStrips, type Heard, stripCount } from "../../src/speech/weights";

const heads: Head[] = [
  [0, 1],
  [2, 3],
];
const ROWS = [
  [0.04, 0.64, 0, 0.16],
  [0.01, 0, 0.09, 0.04],
];

/** Two rows of four positions of a quarter of a second; the first row is empty. */
function heard(row: number[]): Heard {
  const values = Float32Array.from([0, 0, 0, 0, ...row]);
  return { rows: 2, columns: 4, values, top: Math.max(...row), outside: Float32Array.from([0, 0.2]) };
}

const loaded: HeadStrips = {
  heads,
  weights: ROWS.map(heard),
  places: [0, 1, 2, 3].map((position) => ({ start: position / 4, end: (position + 1) / 4 })),
};

function painted(row: number, linear = false): { pictures: CellPicture[]; texts: string[] } {
  const space = { hasPicture: false, hasGold: false, hasOutside: true, labels: 40, enlarged: false };
  const layout = soundLayout({ ...space, width: 400, rows: 2, strips: 2 });
  const theme = { accent: "rgb(1 2 3)", muted: "gray", paper: "white", foreground: "black" } as Theme;
  const colors = ["rgb(255 0 0)", "rgb(0 0 255)"];
  const content = {
    ...{ span: { start: 0, end: 1 }, linear, theme, strips: { heads, colors, loaded } },
  } as unknown as SoundContent;
  const pictures: CellPicture[] = [];
  const texts: string[] = [];
  const surface = {
    inside: (_box: unknown, _origin: unknown, draw: () => void) => draw(),
    cells: (picture: CellPicture) => pictures.push(picture),
    text: (text: string) => texts.push(text),
    measure: (text: string) => 5 * text.length,
    fill: () => {},
  } as unknown as Surface;
  paintStrips(surface, content, layout, row, 1);
  return { pictures, texts };
}

/** The height of a strip at a position, as a share. */
function heightAt({ pixels, rows, columns }: CellPicture, position: number): number {
  const opacity = new Uint8Array(pixels.buffer);
  const x = Math.floor(((position + 0.5) / 4) * columns);
  let covered = 0;
  for (let y = 0; y < rows; y++) covered += (opacity[4 * (y * columns + x) + 3] ?? 0) / 255;
  return covered / rows;
}

describe("strips of heads", () => {
  it("are there for several heads that are not combined, and for a bounded number", () => {
    expect(stripCount(heads, false)).toBe(2);
    expect(stripCount(heads, true)).toBe(0);
    expect(stripCount(heads.slice(1), false)).toBe(0);
    expect(stripCount(Array(40).fill([0, 0]), false)).toBe(12);
  });

  for (const linear of [false, true])
    it(`stand on one ${linear ? "linear" : "square-root"} scale, in the colors of their heads`, () => {
      const { pictures, texts } = painted(1, linear);
      expect(pictures.length).toBe(2);
      pictures.forEach((picture, index) => {
        for (const [position, weight] of (ROWS[index] ?? []).entries()) {
          const share = weight / 0.64;
          expect(heightAt(picture, position)).toBeCloseTo(linear ? share : Math.sqrt(share), 1);
        }
        const [red, , blue] = new Uint8Array(picture.pixels.buffer.slice(-4));
        if ((ROWS[index]?.[3] ?? 0) > 0) expect([red, blue]).toEqual(index === 0 ? [255, 0] : [0, 255]);
      });
      expect(texts).toEqual(["20%", "20%"]);
    });

  it("say what to do while no word is pointed at", () => {
    expect(painted(-1)).toEqual({ pictures: [], texts: ["Point at a word to see where each head looks"] });
  });

  it("are told to screen readers by where each head looks most", () => {
    expect(stripsText(loaded, 1, 10)).toBe(
      "Most weight: layer 0, head 1 at 10.25 s, layer 2, head 3 at 10.50 s",
    );
    expect(stripsText(loaded, -1, 0)).toBe("");
    expect(stripsText(null, 1, 0)).toBe("");
  });
});
