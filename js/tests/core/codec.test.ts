// Decoding of bytes and floats.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { accumulateHeads, decodeHead, toBytes, toFloats } from "../../src/core/codec";
import { accumulate } from "../../src/core/units";

const close = (values: Iterable<number>) => [...values].map((value) => Number(value.toFixed(5)));

describe("codec", () => {
  it("adds heads up as decoding each of them does", () => {
    const size = 5000; // more than a block
    const bytes = Uint8Array.from({ length: 3 * size }, (_, i) => (i * 7919) % 256);
    for (const how of ["mean", "max"] as const) {
      const expected = new Float32Array(size);
      for (const head of [0, 2]) accumulate(expected, decodeHead(bytes, head, size), how);
      const found = new Float32Array(size);
      accumulateHeads(found, bytes, [0], how);
      accumulateHeads(found, bytes, [2], how);
      const together = new Float32Array(size);
      accumulateHeads(together, bytes, [0, 2], how);
      for (const [i, value] of expected.entries()) {
        expect(found[i]).toBeCloseTo(value, 6);
        expect(together[i]).toBeCloseTo(value, 6);
      }
    }
  });

  it("squares the bytes and stays within the stated error", () => {
    expect(close(decodeHead(Uint8Array.from([9, 9, 0, 255]), 1, 2))).toEqual([0, 1]);
    for (let i = 0; i <= 1000; i++) {
      const weight = i / 1000;
      const q = Math.round(Math.sqrt(weight) * 255);
      const [back = 0] = decodeHead(Uint8Array.from([q]), 0, 1);
      expect(Math.abs(back - weight)).toBeLessThanOrEqual(0.004); // half a step of the scale at weight 1
    }
  });

  it("honors byteOffset and byteLength", () => {
    const whole = new Uint8Array([1, 2, 3, 4, 5, 6]);
    expect([...toBytes(new DataView(whole.buffer, 2, 3))]).toEqual([3, 4, 5]);
    const bytes = new Uint8Array(1 + 8 + 3);
    bytes.set(new Uint8Array(Float32Array.from([0.5, 2]).buffer), 1);
    expect([...toFloats(new DataView(bytes.buffer, 1, 8))]).toEqual([0.5, 2]);
  });
});
