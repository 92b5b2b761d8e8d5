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
  const size = into.length;
  for (let first = 0; first < size; first += BLOCK) {
    const count = Math.min(BLOCK, size - first);
    block.fill(0);
    const starts = heads.map((head) => head * size + first);
    if (how === "mean") addSquares(block, bytes, starts, count);
    else takeLargest(block, bytes, starts, count);
    for (let i = 0; i < count; i++) {
      const before = into[first + i] as number;
      const value = block[i] as number;
      into[first + i] = how === "mean" ? before + value / 65025 : Math.max(before, (value * value) / 65025);
    }
  }
}

/** Four heads at a time: what is added up stays in the processor's registers. */
function addSquares(block: Uint32Array, bytes: Uint8Array, starts: readonly number[], count: number): void {
  let done = 0;
  for (; done + 4 <= starts.length; done += 4) {
    const [p, q, r, s] = starts.slice(done, done + 4) as [number, number, number, number];
    for (let i = 0; i < count; i++) {
      const a = bytes[p + i] as number;
      const b = bytes[q + i] as number;
      const c = bytes[r + i] as number;
      const d = bytes[s + i] as number;
      block[i] = (block[i] as number) + a * a + b * b + c * c + d * d;
    }
  }
  for (const start of starts.slice(done))
    for (let i = 0; i < count; i++) {
      const byte = bytes[start + i] as number;
      block[i] = (block[i] as number) + byte * byte;
    }
}

function takeLargest(block: Uint32Array, bytes: Uint8Array, starts: readonly number[], count: number): void {
  for (const start of starts)
    for (let i = 0; i < count; i++) block[i] = Math.max(block[i] as number, bytes[start + i] as number);
}

/** One head of [heads, target, source] bytes as weights [target, source]. */
export function decodeHead(bytes: Uint8Array, head: number, size: number): Float32Array {
  const out = new Float32Array(size);
  const start = head * size;
  for (let i = 0; i < size; i++) out[i] = SQUARES[bytes[start + i] as number] as number;
  return out;
}
