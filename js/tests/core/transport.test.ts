// Requests and their replies: ids, errors, order, timeouts, cleanup.
// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NO_ANSWER } from "../../src/core/constants";
import { createTransport } from "../../src/core/transport";
import { manual } from "./manual_model";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("transport", () => {
  it("pairs replies with requests, in whatever order they come", async () => {
    const { model, sent, answer } = manual();
    const transport = createTransport(model, new AbortController().signal);
    const first = transport.request({ kind: "sentence", sentence: 0 });
    const second = transport.request({ kind: "layer", sentence: 0, layer: 1 });
    answer({ id: "someone else's" });
    answer(null);
    answer({ id: sent[1]?.id, shape: [1, 1, 1] });
    answer({ id: sent[0]?.id, notes: [] });
    expect((await second).content.shape).toEqual([1, 1, 1]);
    expect((await first).content.notes).toEqual([]);
  });

  it("waits as long as it takes for what the kernel says it computes", async () => {
    const { model, sent, answer } = manual();
    const transport = createTransport(model, new AbortController().signal, 1000);
    const slow = transport.request({ kind: "scores", sentence: 0, name: "slow" });
    const lost = transport.request({ kind: "sentence", sentence: 0 });
    const told = expect(lost).rejects.toThrow(NO_ANSWER);
    answer({ computing: sent[0]?.id });
    answer({ computing: "someone else's" });
    await vi.advanceTimersByTimeAsync(100_000);
    await told;
    answer({ id: sent[0]?.id, values: [[1]] });
    expect((await slow).content.values).toEqual([[1]]);
    // Nor does it wait for a kernel that is gone.
    const pending = transport.request({ kind: "scores", sentence: 0, name: "slower" });
    answer({ computing: sent[2]?.id });
    model.send = () => {
      throw new Error("closed");
    };
    const both = [pending, transport.request({ kind: "sentence", sentence: 0 })];
    const gone = both.map((each) => expect(each).rejects.toThrow("the kernel no longer holds this widget"));
    await Promise.all(gone);
  });

  it("gives two views of one model their own replies", async () => {
    const { model, sent, answer } = manual();
    const one = createTransport(model, new AbortController().signal);
    const two = createTransport(model, new AbortController().signal);
    const a = one.request({ kind: "sentence", sentence: 0 });
    const b = two.request({ kind: "sentence", sentence: 0 });
    expect(sent[0]?.id).not.toBe(sent[1]?.id);
    answer({ id: sent[0]?.id, who: "one" });
    answer({ id: sent[1]?.id, who: "two" });
    expect([(await a).content.who, (await b).content.who]).toEqual(["one", "two"]);
  });

  it("rejects with the kernel's words, after a timeout, and when the view closes", async () => {
    const { model, sent, answer, listeners } = manual();
    const closing = new AbortController();
    const transport = createTransport(model, closing.signal);
    const failed = transport.request({ kind: "sentence", sentence: 0 });
    answer({ id: sent[0]?.id, error: "no such sentence" });
    await expect(failed).rejects.toThrow("no such sentence");

    const late = transport.request({ kind: "sentence", sentence: 1 });
    vi.advanceTimersByTime(20_000);
    await expect(late).rejects.toThrow(NO_ANSWER);

    const open = transport.request({ kind: "sentence", sentence: 2 });
    closing.abort();
    await expect(open).rejects.toThrow("closed");
    expect(listeners).toHaveLength(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("turns a send that throws into an error", async () => {
    const { model } = manual();
    model.send = () => {
      throw new Error("comm is closed");
    };
    const transport = createTransport(model, new AbortController().signal);
    await expect(transport.request({ kind: "sentence", sentence: 0 })).rejects.toThrow("comm is closed");
  });
});
