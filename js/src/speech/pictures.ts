// What the sound looks like: its amplitudes over time, and the gray values of its features.
import type { MediaFile } from "../core/data";
import { parseColor } from "../core/scales";
import type { Theme } from "../core/theme";
import { type Columns, frameColumns } from "./resample";
import { lengthOf, type Span } from "./timeline";

/** [bins, frames] gray values, the highest bin first. */
export interface Gray {
  bins: number;
  frames: number;
  values: Uint8Array;
}

/** Absolute amplitudes over the whole sound, in equal steps. */
export interface Amplitudes {
  values: Float32Array;
  largest: number;
}

export function peakAmplitudes(base64: string): Amplitudes {
  const values = Float32Array.from(atob(base64), (char) => char.charCodeAt(0) / 255);
  return { values, largest: 1 };
}

/** The samples themselves, for a sharp waveform; null where the browser cannot decode them. */
export async function decodeSamples(file: MediaFile, rate: number): Promise<Amplitudes | null> {
  if (typeof OfflineAudioContext === "undefined") return null;
  try {
    const context = new OfflineAudioContext(1, 1, Math.max(8000, Math.min(96000, rate)));
    const { buffer } = file.bytes.slice();
    const values = (await context.decodeAudioData(buffer)).getChannelData(0).map(Math.abs);
    let largest = 0;
    for (let i = 0; i < values.length; i++) largest = Math.max(largest, values[i] as number);
    return { values, largest };
  } catch {
    return null;
  }
}

/** The gray values of a picture. */
export async function decodeGray(file: MediaFile): Promise<Gray> {
  const bitmap = await createImageBitmap(new Blob([file.bytes], { type: file.mime }));
  const { width, height } = bitmap;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("the browser cannot read the picture of the sound");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const values = new Uint8Array(width * height);
  for (let i = 0; i < values.length; i++) values[i] = data[4 * i] as number;
  return { bins: height, frames: width, values };
}

/** The largest amplitude of each column of pixels, from 0 to 1. */
export function waveOf(
  { values, largest }: Amplitudes,
  seconds: number,
  span: Span,
  pixels: number,
): Float32Array {
  const out = new Float32Array(pixels);
  const columns: Columns = frameColumns(values.length, seconds, span, pixels);
  const step = lengthOf(span) / pixels;
  for (let x = 0; x < pixels; x++) {
    if (span.start + x * step >= seconds) break;
    let peak = 0;
    for (let i = columns.from[x] as number; i < (columns.to[x] as number); i++)
      peak = Math.max(peak, values[i] as number);
    out[x] = largest > 0 ? peak / largest : 0;
  }
  return out;
}

const grays = new WeakMap<Theme, Uint32Array>();

/** From the background to the color of text: the sound is gray, so that attention in color stands out. */
export function grayRamp(theme: Theme): Uint32Array {
  const known = grays.get(theme);
  if (known) return known;
  const ink = parseColor(theme.foreground) ?? [0, 0, 0];
  const bytes = new Uint8ClampedArray(1024);
  for (let i = 0; i < 256; i++) {
    // What is silent stays close to the background.
    const share = 0.8 * (i / 255) ** 1.6;
    for (let channel = 0; channel < 3; channel++) {
      const paper = theme.background[channel] ?? 0;
      bytes[4 * i + channel] = paper + ((ink[channel] ?? 0) - paper) * share;
    }
    bytes[4 * i + 3] = 255;
  }
  const ramp = new Uint32Array(bytes.buffer);
  grays.set(theme, ramp);
  return ramp;
}
