// A head as a small picture.
import type { LayerWeights } from "../core/data";
import type { Theme } from "../core/theme";

const LARGEST = 96;

/** Draws the first `columns` of one head; a larger one is reduced to its maxima, so that no peak is lost. */
export function drawThumbnail(
  canvas: HTMLCanvasElement,
  layer: LayerWeights,
  head: number,
  theme: Theme,
  columns: number = layer.shape[2],
): void {
  const [, rows, positions] = layer.shape;
  const width = Math.max(1, Math.min(columns, LARGEST));
  const height = Math.max(1, Math.min(rows, LARGEST));
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  if (!context) return;
  const peaks = new Uint8Array(width * height);
  const start = head * rows * positions;
  for (let t = 0; t < rows; t++) {
    const y = Math.floor((t * height) / rows) * width;
    for (let s = 0; s < columns; s++) {
      const pixel = y + Math.floor((s * width) / columns);
      const value = layer.bytes[start + t * positions + s] ?? 0;
      if (value > (peaks[pixel] ?? 0)) peaks[pixel] = value;
    }
  }
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  peaks.forEach((value, i) => {
    pixels[i] = theme.ramp.pixels[value] ?? 0;
  });
  context.putImageData(image, 0, 0);
}
