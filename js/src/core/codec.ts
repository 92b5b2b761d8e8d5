// Decodes data from Python: uint8 on a square-root scale, and exact float32.

const SQUARES = Float32Array.from({ length: 256 }, (_, q) => (q / 255) ** 2);

/** Bytes of a buffer as it arrives: a DataView may be a view of a larger message. */
export function toBytes(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Float32 values of a buffer; copied, because the window may start off a multiple of four. */
export function toFloats(view: DataView): Float32Array {
  const bytes = toBytes(view).slice();
  return new Float32Array(bytes.buffer, 0, bytes.byteLength >> 2);
}

const BLOCK = 4096;

/**
 * Adds heads of [heads, target, source] bytes to a running aggregate [target, source] (sum or maximum). It works in
 * whole numbers and in blocks that stay in the processor's cache: four million weights have to be added in a frame.
 */
export function accumulateHeads(
  into: Float32Array,
  bytes: Uint8Array,
  heads: readonly number[],
  how: "mean" | "max",
): void {
  const block = new Uint32Array(BLOCK);
  for (let first = 0; first < into.length; first += BLOCK) {
    const size = Math.min(BLOCK, into.length - first);
    block.fill(0);
    for (const head of heads) {
      const start = head * into.length + first;
      for (let i = 0; i < size; i++) {
        const byte = bytes[start + i] as number;
        const before = block[i] as number;
        if (how === "mean") block[i] = before + byte * byte;
        else if (byte > before) block[i] = byte;
      }
    }
    for (let i = 0; i < size; i++) {
      const before = into[first + i] as number;
      const value = block[i] as number;
      into[first + i] = how === "mean" ? before + value / 65025 : Math.max(before, (value * value) / 65025);
    }
  }
}

/** One head of [heads, target, source] bytes as weights [target, source]. */
export function decodeHead(bytes: Uint8Array, head: number, size: number): Float32Array {
  const out = new Float32Array(size);
  const start = head * size;
  for (let i = 0; i < size; i++) out[i] = SQUARES[bytes[start + i] ?? 0] ?? 0;
  return out;
}
