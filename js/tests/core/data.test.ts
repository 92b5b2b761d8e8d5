// What the panel asks the kernel for, and how often.
// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createData } from "../../src/core/data";
import { createTransport } from "../../src/core/transport";
import { manual } from "./manual_model";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("data", () => {
  it("asks once for what several want at the same time, and again after an error", async () => {
    const { model, sent, answer } = manual();
    const data = createData(createTransport(model, new AbortController().signal));
    const both = [data.layer(0, 0), data.layer(0, 0)];
    expect(sent).toHaveLength(1);
    answer({ id: sent[0]?.id, error: "busy" });
    for (const waiting of both) await expect(waiting).rejects.toThrow("busy");

    const again = data.layer(0, 0);
    expect(sent).toHaveLength(2);
    const padded = new Uint8Array([9, 1, 2, 3, 4]);
    answer({ id: sent[1]?.id, shape: [1, 2, 2] }, [new DataView(padded.buffer, 1, 4)]);
    expect([...(await again).bytes]).toEqual([1, 2, 3, 4]);
    await data.layer(0, 0);
    expect(sent).toHaveLength(2);
  });

  it("refuses a layer of the wrong size, in words", async () => {
    const { model, sent, answer } = manual();
    const data = createData(createTransport(model, new AbortController().signal));
    const layer = data.layer(0, 0);
    answer({ id: sent[0]?.id, shape: [1, 2, 2] }, [new DataView(new ArrayBuffer(3))]);
    await expect(layer).rejects.toThrow("3 weights");
  });

  it("asks anew for scores that were forgotten", async () => {
    const { model, sent } = manual();
    const data = createData(createTransport(model, new AbortController().signal));
    void data.scores(0, "mine");
    data.forgetScores();
    void data.scores(0, "mine");
    expect(sent).toHaveLength(2);
  });
});
