// The file of a picture: what it may be, and how it is decoded. Its bytes may come from anywhere.
import type { MediaFile } from "../data";

export interface Size {
  width: number;
  height: number;
}

/** A decoded picture. */
export interface Picture {
  canvas: HTMLCanvasElement;
  /** Whether it is dark for the most part, so that what is drawn over it has to be bright. */
  dark: boolean;
}

/** Records keep pictures whose sides are at most 1,600 pixels long; a larger file is none of theirs. */
const LONGEST_SIDE = 4096;
/** The side of the reduced picture whose brightness is measured, and what is dark, of 255. */
const SAMPLE = 16;
const DARK = 105;

/**
 * The size that a PNG or WebP file announces, before anything is decoded.
 *
 * @throws Error for another file.
 */
export function pictureSize({ mime, bytes }: MediaFile): Size {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tagAt = (at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (mime === "image/png" && bytes.length >= 24 && view.getUint32(0) === 0x89504e47 && tagAt(12) === "IHDR")
    return { width: view.getUint32(16), height: view.getUint32(20) };
  if (mime === "image/webp" && bytes.length >= 30 && tagAt(0) === "RIFF" && tagAt(8) === "WEBP") {
    const kind = tagAt(12);
    if (kind === "VP8 ")
      return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
    if (kind === "VP8L") {
      const bits = view.getUint32(21, true);
      return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1 };
    }
    const three = (at: number) => view.getUint16(at, true) + 65536 * view.getUint8(at + 2) + 1;
    if (kind === "VP8X") return { width: three(24), height: three(27) };
  }
  throw new Error("it is neither a PNG nor a WebP file");
}

/**
 * The picture of a record.
 *
 * @throws Error if it is another file, too large, or damaged.
 */
export async function decodePicture(file: MediaFile): Promise<Picture> {
  const { width, height } = pictureSize(file);
  if (width < 1 || height < 1 || width > LONGEST_SIDE || height > LONGEST_SIDE)
    throw new Error(`it has ${width} x ${height} pixels, and its sides may have ${LONGEST_SIDE}`);
  // Places count in the picture as it is: a rotation that the file asks for was applied before it was kept.
  const blob = new Blob([file.bytes], { type: file.mime });
  const bitmap = await createImageBitmap(blob, { imageOrientation: "none" });
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { canvas, dark: brightness(canvas) < DARK };
}

/** The mean brightness of a picture, from 0 to 255. */
function brightness(picture: HTMLCanvasElement): number {
  const small = document.createElement("canvas");
  small.width = SAMPLE;
  small.height = SAMPLE;
  const context = small.getContext("2d", { willReadFrequently: true });
  if (!context) return 255;
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, SAMPLE, SAMPLE);
  const { data } = context.getImageData(0, 0, SAMPLE, SAMPLE);
  let sum = 0;
  for (let i = 0; i < data.length; i += 4)
    sum += 0.2126 * (data[i] ?? 0) + 0.7152 * (data[i + 1] ?? 0) + 0.0722 * (data[i + 2] ?? 0);
  return sum / (SAMPLE * SAMPLE);
}
