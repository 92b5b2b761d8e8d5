// The cache of replies, bounded by bytes.
// @vitest-environment node
import { describe, expect, it } from "vitest";
import { ByteCache } from "../../src/core/cache";

describe("cache", () => {
  it("evicts the least recently used by bytes", () => {
    const cache = new ByteCache<string>(10);
    cache.set("a", "A", 4);
    cache.set("b", "B", 4);
    expect(cache.get("a")).toBe("A");
    cache.set("c", "C", 4);
    expect(cache.get("b")).toBeUndefined();
    expect([cache.get("a"), cache.get("c"), cache.bytes]).toEqual(["A", "C", 8]);
  });

  it("replaces without counting twice, and refuses what can never fit", () => {
    const cache = new ByteCache<string>(10);
    cache.set("a", "A", 6);
    cache.set("a", "B", 8);
    cache.set("huge", "H", 11);
    expect([cache.get("a"), cache.get("huge"), cache.bytes]).toEqual(["B", undefined, 8]);
  });
});
