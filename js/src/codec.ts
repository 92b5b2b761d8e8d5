// Decodes what Python sends: uint8 on a square-root scale, and exact float32.

const SQUARES = Float32Array.from({ length: 256 }, (_, q) => (q / 255) ** 2);

/** Bytes of a buffer as it arrives: a DataView may be a window on a larger message. */
export function toBytes(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Float32 values of a buffer; copied, since the window need not start on a multiple of four. */
export function toFloats(view: DataView): Float32Array {
  const bytes = toBytes(view).slice();
  return new Float32Array(bytes.buffer, 0, bytes.byteLength >> 2);
}

/** One head of [heads, target, source] bytes as weights [target, source]. */
export function decodeHead(bytes: Uint8Array, head: number, size: number): Float32Array {
  const out = new Float32Array(size);
  const start = head * size;
  for (let i = 0; i < size; i++) out[i] = SQUARES[bytes[start + i] ?? 0] ?? 0;
  return out;
}
