// A sentence in a small box: its words with lines between them, or a heat map where there are too many words to read.
import { tokenText } from "../core/format";
import { weightCells } from "../core/heat/cells";
import { longerSide, type Scene } from "../core/scene";
import type { Surface } from "../core/surface";
import type { Theme } from "../core/theme";

export interface Box {
  width: number;
  height: number;
}

/** Up to this many units on a side, each can be read in its own row. */
export const READABLE = 12;
export const ROW = 15;
const FONT = 11;
/** The height of a map. */
const MAP = 150;
/** The share of the width that each side's words may take. */
const WORDS = 0.36;
const GAP = 5;
/** Weaker lines would only gray the picture. */
const WEAKEST = 0.04;
/** How much fainter the lines of special tokens are. */
const FAINT = 0.25;

/** The height for a sentence with this number of units on its longer side. */
export function boxHeight(units: number): number {
  return units <= READABLE ? ROW * units : MAP;
}

/** `color` is that of the lines. */
export function paintSentence(
  surface: Surface,
  scene: Scene,
  box: Box,
  theme: Theme,
  color: string,
  fade: boolean,
): void {
  if (longerSide(scene) <= READABLE) paintWords(surface, scene, box, theme, color, fade);
  else paintMap(surface, scene, box, theme);
}

function paintWords(
  surface: Surface,
  scene: Scene,
  { width }: Box,
  theme: Theme,
  color: string,
  fade: boolean,
): void {
  const edges = { source: width * WORDS, target: width * (1 - WORDS) };
  const middle = (unit: number) => (unit + 0.5) * ROW;
  const columns = scene.source.labels.length;
  const lines = Array.from(scene.aggregate, (weight, index) => ({ weight, index }))
    .filter(({ weight }) => weight >= WEAKEST)
    .sort((a, b) => a.weight - b.weight);
  const [from, to] = [edges.source + GAP, edges.target - GAP];
  const bend = (to - from) * 0.45;
  for (const { weight, index } of lines) {
    const [source, target] = [index % columns, Math.floor(index / columns)];
    const [start, end] = [middle(source), middle(target)];
    const isFaint = fade && (scene.source.special[source] || scene.target.special[target]);
    const opacity = (0.1 + 0.85 * weight ** 0.6) * (isFaint ? FAINT : 1);
    const stroke = { color, width: 0.6 + 3.4 * weight, opacity };
    surface.curves(stroke, (curve) => curve(from, start, from + bend, start, to - bend, end, to, end));
  }
  for (const side of ["source", "target"] as const)
    scene[side].labels.forEach((label, unit) => {
      const text = fitting(surface, tokenText(label), edges.source, FONT);
      surface.text(
        text,
        { x: edges[side], y: middle(unit) },
        {
          size: FONT,
          color: scene[side].special[unit] ? theme.muted : theme.foreground,
          align: side === "source" ? "right" : "left",
        },
      );
    });
}

/** The text, cut at its end where it is wider than `width`. */
export function fitting(surface: Surface, text: string, width: number, size?: number): string {
  const isFitting = (part: string) => surface.measure(part, { size }) <= width;
  if (isFitting(text)) return text;
  const letters = Array.from(text);
  let [low, high] = [0, letters.length - 1];
  while (low < high) {
    const half = (low + high + 1) >> 1;
    if (isFitting(`${letters.slice(0, half).join("")}…`)) low = half;
    else high = half - 1;
  }
  return `${letters.slice(0, low).join("")}…`;
}

/** Target down, source across. */
function paintMap(surface: Surface, scene: Scene, box: Box, theme: Theme): void {
  const [rows, columns] = [scene.target.labels.length, scene.source.labels.length];
  const reduced = {
    rows: Math.min(rows, Math.floor(box.height)),
    columns: Math.min(columns, Math.floor(box.width)),
  };
  const peaks = reducePeaks(scene.aggregate, rows, columns, reduced.rows, reduced.columns);
  // One scale for all sentences, so that they can be compared.
  const { pixels } = weightCells(peaks, 1, theme);
  const cell = { width: box.width / reduced.columns, height: box.height / reduced.rows };
  const range = { left: 0, top: 0, right: reduced.columns, bottom: reduced.rows };
  surface.cells({ pixels, ...reduced }, range, cell);
}

/** A smaller [rows, columns] matrix of the largest weights in each part, so that no peak is lost. */
export function reducePeaks(
  weights: Float32Array,
  rows: number,
  columns: number,
  fewerRows: number,
  fewerColumns: number,
): Float32Array {
  if (rows === fewerRows && columns === fewerColumns) return weights;
  const peaks = new Float32Array(fewerRows * fewerColumns);
  for (let row = 0; row < rows; row++) {
    const start = Math.floor((row * fewerRows) / rows) * fewerColumns;
    for (let column = 0; column < columns; column++) {
      const at = start + Math.floor((column * fewerColumns) / columns);
      const weight = weights[row * columns + column] ?? 0;
      if (weight > (peaks[at] ?? 0)) peaks[at] = weight;
    }
  }
  return peaks;
}
