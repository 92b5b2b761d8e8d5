// Files that the panel saves, whatever the tokens are: escaped markup, cells that read back, and spreadsheets.
import { describe, expect, it } from "vitest";
import type { ScoreInfo } from "../../src/core/contract";
import { tokenText, wellFormed } from "../../src/core/format";
import { beside, type Drawing, escaped, label, page, type Style, tag, text } from "../../src/core/markup";
import type { Scene } from "../../src/core/scene";
import { csvText } from "../../src/core/scene_files";
import { makeUnits } from "../../src/core/units";
import { scoresCsv, scoresJson } from "../../src/scores/export";
import { axis } from "../helpers";

const HOSTILE = [
  "</text><script>alert(1)</script>",
  "a & b < c > d",
  "\"'><svg onload=alert(1)>",
  "]]> <!-- -- -->",
  "\u0000\u0008\u001b\u007f\u0085",
  "\ud83d",
  "a\udc00b",
  "\ud83d\ude42",
  "\ufeff",
  "\ufffe\uffff",
  "\u202ea\u2066b",
  "a\rb",
  "\r",
  "a\nb\r\nc\u2028\u2029",
  '"",";"',
  "=1+1",
  "\t@x",
  "-1",
];
const theme = { foreground: "black", muted: "gray", paper: "white" } as Style["theme"];
const style: Style = { theme, family: `A, "B" <&'`, measure: (label) => label.length };

function parsed(markup: string): Document {
  const found = new DOMParser().parseFromString(markup, "image/svg+xml");
  expect(found.querySelector("parsererror")).toBeNull();
  return found;
}

/** CSV as RFC 4180 has it. */
function read(csv: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let rest = csv;
  while (rest !== "") {
    const found = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\n)/.exec(rest);
    if (!found) throw new Error(`no cell: ${JSON.stringify(rest.slice(0, 40))}`);
    row.push(found[1] === undefined ? (found[2] ?? "") : found[1].replace(/""/g, '"'));
    if (found[3] === "\n") {
      rows.push(row);
      row = [];
    }
    rest = rest.slice(found[0].length);
  }
  return rows;
}

function scene(): Scene {
  const units = makeUnits(axis(HOSTILE), { words: false, drop: "nothing" });
  const matrix = Float32Array.from({ length: HOSTILE.length ** 2 }, (_, i) => (i % 2 ? -0.5 : 0.25));
  const spec = { heads: [[0, 0]], moved: [] };
  return { spec, source: units, target: units, sets: [matrix] } as unknown as Scene;
}

describe("markup", () => {
  it("escapes whatever enters it, in text and in attributes", () => {
    for (const hostile of HOSTILE) {
      const drawing: Drawing = {
        width: 10,
        height: 10,
        body: [
          text("text", { x: 1, "data-name": hostile }, hostile),
          label(hostile, { fill: hostile }),
          tag("g", { id: hostile }, text("text", {}, hostile)),
        ].join(""),
      };
      const found = parsed(page(beside([{ drawing, heading: hostile }], theme), hostile, style));
      expect(found.querySelectorAll("text")).toHaveLength(5);
      expect(found.querySelectorAll("script, svg svg, [onload]")).toHaveLength(0);
      const shown = tokenText(hostile);
      expect([...found.querySelectorAll("text")].map((element) => element.textContent)).toContain(shown);
    }
  });

  it("is valid XML whatever the tokens are", () => {
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

  it("shows what no file can hold as code points", () => {
    expect(parsed(text("text", {}, "a\u0000\ud83d\u202e\uffffb")).documentElement.textContent).toBe(
      "a⟨U+0000⟩⟨U+D83D⟩⟨U+202E⟩⟨U+FFFF⟩b",
    );
    expect(wellFormed("\ud83d\ude42\ude42")).toBe("🙂⟨U+DE42⟩");
  });
});

describe("cells", () => {
  it("read back as they were", () => {
    const rows = read(csvText(scene(), [HOSTILE[0] ?? ""]));
    expect(rows).toHaveLength(1 + HOSTILE.length ** 2);
    const cells = HOSTILE.map(wellFormed);
    expect(rows.slice(1, 1 + HOSTILE.length).map((row) => row[4])).toEqual(cells);
    expect(rows.slice(1).map((row) => row[2])).toEqual(cells.flatMap((cell) => cells.map(() => cell)));
    expect(rows[1]?.slice(0, 2)).toEqual([HOSTILE[0], "0"]);
  });

  it("are not a formula to a spreadsheet, and numbers stay numbers", () => {
    const rows = read(csvText(scene(), ["=head"], true));
    expect(rows[1]?.[0]).toBe("'=head");
    const guarded = HOSTILE.map((token) => (/^[=@\t\r-]/.test(token) ? `'${token}` : wellFormed(token)));
    expect(rows.slice(1, 1 + HOSTILE.length).map((row) => row[4])).toEqual(guarded);
    expect(rows.slice(1, 3).map((row) => row[5])).toEqual(["0.25", "-0.5"]);
  });

  it("hold every score that there is, and say of the others why not", () => {
    const list = HOSTILE.map(
      (name): ScoreInfo => ({ name, direction: "lower", description: "", signature: name }),
    );
    const grids = new Map([[HOSTILE[1] ?? "", { values: [[0.5, null]], signature: "a,b" }]]);
    expect(read(scoresCsv(list, grids))).toEqual([
      ["layer", "head", "a,b"],
      ["0", "0", "0.5"],
      ["0", "1", ""],
    ]);
    const data = JSON.parse(scoresJson(list, grids, new Map([[HOSTILE[0] ?? "", "it failed"]])));
    expect(data.scores[0]).toMatchObject({ name: HOSTILE[0], error: "it failed" });
    expect(data.scores[1].values).toEqual([[0.5, null]]);
  });
});
