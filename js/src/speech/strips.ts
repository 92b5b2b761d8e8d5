// A strip for each picked head: where it looks for the row that is pointed at, in its color, all on one scale.
import { headName } from "../core/format";
import { parseColor } from "../core/scales";
import { type CellPicture, type Surface, straight } from "../core/surface";
import type { SoundContent } from "./content";
import { hasOutside, type SoundLayout } from "./layout";
import { columnsOf, type Density, drawPicture, peaksOf } from "./resample";
import type { HeadStrips, Heard } from "./weights";

/** The names of the heads and the lines on which their strips stand. */
export function paintStripNames(surface: Surface, content: SoundContent, layout: SoundLayout): void {
  const { theme, strips } = content;
  const { plot, strip } = layout;
  strips?.heads.forEach(([layer, head], index) => {
    const y = layout.strips.y + index * strip;
    const name = `L${layer} H${head}`;
    surface.text(
      name,
      { x: plot.x - 8, y: y + strip / 2 },
      { color: theme.foreground, size: 11, align: "right" },
    );
    const color = strips.colors[index];
    const dot = { x: plot.x - 20 - surface.measure(name, { size: 11 }), y: y + strip / 2 - 4 };
    if (color) surface.fill({ ...dot, width: 8, height: 8 }, color);
    const line = y + strip - 0.5;
    surface.curves({ color: theme.muted, width: 1, opacity: 0.35 }, (curve) =>
      straight(curve, plot.x, line, plot.x + plot.width, line),
    );
  });
}

/** The strips of a row; without a row they say what to do. */
export function paintStrips(
  surface: Surface,
  content: SoundContent,
  layout: SoundLayout,
  row: number,
  density: Density,
): void {
  const { strips, theme } = content;
  const { plot, strip, width } = layout;
  if (!strips || layout.strips.height === 0) return;
  if (row < 0 || !strips.loaded) {
    const text = strips.loaded ? "Point at a word to see where each head looks" : "";
    const middle = { x: plot.x + plot.width / 2, y: layout.strips.y + layout.strips.height / 2 };
    const length = surface.measure(text, { size: 11 });
    if (text === "" || length > plot.width) return;
    surface.fill(
      { x: middle.x - length / 2 - 6, y: middle.y - 8, width: length + 12, height: 16 },
      theme.paper,
    );
    surface.text(text, middle, { color: theme.muted, size: 11, align: "center" });
    return;
  }
  picturesOf(content, strips.loaded, layout, row, density).forEach((picture, index) => {
    const y = layout.strips.y + index * strip;
    drawPicture(surface, picture, { x: plot.x, y }, plot.width, strip - 1);
    const share = strips.loaded?.weights[index]?.outside[row] ?? 0;
    if (hasOutside(layout))
      surface.text(
        `${Math.round(100 * share)}%`,
        { x: width - 2, y: y + strip / 2 },
        { color: theme.muted, size: 11, align: "right" },
      );
  });
}

/** Where each head looks most for a row, in words; "" where heads are drawn as one. */
export function stripsText(loaded: HeadStrips | null, row: number, offset: number): string {
  if (!loaded || row < 0) return "";
  const most = loaded.heads.map((head, index) => {
    const { values, columns } = loaded.weights[index] as Heard;
    let best = 0;
    for (let i = 0; i < columns; i++)
      if ((values[row * columns + i] ?? 0) > (values[row * columns + best] ?? 0)) best = i;
    const time = (loaded.places[best]?.start ?? 0) + offset;
    return `${headName(...head)} at ${time.toFixed(2)} s`;
  });
  return `Most weight: ${most.join(", ")}`;
}

/** The cursor draws the same strips in every frame. */
const known = new WeakMap<HeadStrips, { key: string; pictures: CellPicture[] }>();

function picturesOf(
  content: SoundContent,
  loaded: HeadStrips,
  layout: SoundLayout,
  row: number,
  density: Density,
): CellPicture[] {
  const { span, strips, theme } = content;
  const { plot, strip } = layout;
  const pixels = Math.max(1, Math.round(plot.width * density));
  const height = Math.max(1, Math.round((strip - 1) * density));
  const colors = loaded.heads.map((_, index) => strips?.colors[index] ?? theme.accent);
  const key = [row, span.start, span.end, pixels, height, content.linear, ...colors].join(" ");
  const before = known.get(loaded);
  if (before?.key === key) return before.pictures;
  const columns = columnsOf(loaded.places, span, pixels);
  const top = loaded.weights.reduce((most, heard) => Math.max(most, largestOf(heard, row)), 0);
  const pictures = loaded.weights.map((heard, index) => {
    const peaks = new Float32Array(pixels);
    peaksOf(heard.values, row * heard.columns, columns, peaks);
    const shares = peaks.map((peak) => (top > 0 ? (content.linear ? peak / top : Math.sqrt(peak / top)) : 0));
    return filled(shares, height, colors[index] ?? theme.accent);
  });
  known.set(loaded, { key, pictures });
  return pictures;
}

function largestOf({ values, columns }: Heard, row: number): number {
  let most = 0;
  for (let i = row * columns; i < (row + 1) * columns; i++) most = Math.max(most, values[i] ?? 0);
  return most;
}

/** A filled curve of `shares` of the height. */
function filled(shares: Float32Array, height: number, color: string): CellPicture {
  const [red, green, blue] = parseColor(color) ?? [0, 0, 0];
  const columns = shares.length;
  const bytes = new Uint8ClampedArray(4 * columns * height);
  for (let x = 0; x < columns; x++) {
    const top = height - (shares[x] as number) * height;
    for (let y = Math.floor(top); y < height; y++) {
      const pixel = 4 * (y * columns + x);
      bytes[pixel] = red;
      bytes[pixel + 1] = green;
      bytes[pixel + 2] = blue;
      // The pixel at the edge is covered in part.
      bytes[pixel + 3] = 255 * Math.min(1, y + 1 - top);
    }
  }
  return { pixels: new Uint32Array(bytes.buffer), rows: height, columns };
}
