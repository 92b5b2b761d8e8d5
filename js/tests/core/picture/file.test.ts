// Files of pictures, whose bytes may come from anywhere.
import { describe, expect, it, vi } from "vitest";
import { decodePicture, pictureSize } from "../../../src/core/picture/file";

function png(width: number, height: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(33);
  const view = new DataView(bytes.buffer);
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52]);
  view.setUint32(16, width);
  view.setUint32(20, height);
  return bytes;
}

function webp(kind: string, fill: (view: DataView) => void): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(40);
  for (const [at, text] of [
    [0, "RIFF"],
    [8, "WEBP"],
    [12, kind],
  ] as const)
    bytes.set(
      [...text].map((char) => char.charCodeAt(0)),
      at,
    );
  fill(new DataView(bytes.buffer));
  return bytes;
}

describe("the file of a picture", () => {
  it("announces its size as PNG or as any kind of WebP", () => {
    expect(pictureSize({ mime: "image/png", bytes: png(640, 480) })).toEqual({ width: 640, height: 480 });
    const lossy = webp("VP8 ", (view) => {
      view.setUint16(26, 640, true);
      view.setUint16(28, 480, true);
    });
    const lossless = webp("VP8L", (view) => view.setUint32(21, 639 | (479 << 14), true));
    const extended = webp("VP8X", (view) => {
      view.setUint16(24, 639, true);
      view.setUint16(27, 479, true);
    });
    for (const bytes of [lossy, lossless, extended])
      expect(pictureSize({ mime: "image/webp", bytes })).toEqual({ width: 640, height: 480 });
  });

  it("is refused before it is decoded if it is something else, or too large", async () => {
    const decode = vi.fn();
    vi.stubGlobal("createImageBitmap", decode);
    const text = Uint8Array.from([..."<svg onload=alert(1)>"], (char) => char.charCodeAt(0));
    for (const file of [
      { mime: "image/svg+xml", bytes: text },
      { mime: "image/png", bytes: text },
      { mime: "text/html", bytes: png(10, 10) },
      { mime: "image/webp", bytes: png(10, 10) },
      { mime: "image/png", bytes: new Uint8Array(0) },
    ])
      await expect(decodePicture(file)).rejects.toThrow("neither a PNG nor a WebP file");
    for (const [width, height] of [
      [100_000, 10],
      [0, 10],
    ] as const)
      await expect(decodePicture({ mime: "image/png", bytes: png(width, height) })).rejects.toThrow(
        "its sides may have 4096",
      );
    expect(decode).not.toHaveBeenCalled();
    vi.unstubAllGlobals();
  });
});
