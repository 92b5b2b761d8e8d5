// Transport, store, frame and static model: ids, errors, order, timeouts, clean-up.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NO_ANSWER } from "../src/core/constants";
import type { Model } from "../src/core/contract";
import { createData } from "../src/core/data";
import { pickPatch, togglePick } from "../src/core/picks";
import { createFrame, createStore } from "../src/core/store";
import { createTransport } from "../src/core/transport";
import { canonical, createStaticModel } from "../src/page/model";
import { counted, state } from "./helpers";

/** A model that keeps what was sent and answers when it is told to. */
function manual() {
  const inner = createStaticModel({ traits: {}, replies: [] });
  const sent: { id: string; kind: string }[] = [];
  const hear: ((content: unknown, buffers: DataView[]) => void)[] = [];
  const model: Model = {
    ...inner,
    on: (event, callback) => {
      if (event === "msg:custom") hear.push(callback);
    },
    off: (_event, callback) => {
      const at = callback ? hear.indexOf(callback) : -1;
      if (at >= 0) hear.splice(at, 1);
    },
    send: (content) => void sent.push(content as { id: string; kind: string }),
  };
  const answer = (content: unknown, buffers: DataView[] = []) => {
    for (const listener of [...hear]) listener(content, buffers);
  };
  return { model, sent, answer, hear };
}

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
    const { model, sent, answer, hear } = manual();
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
    expect(hear).toHaveLength(0);
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

describe("state", () => {
  it("sets what differs, saves once, and tells listeners until they leave", () => {
    const model = counted();
    const store = createStore(model, new AbortController().signal);
    const heard: string[] = [];
    const leave = store.subscribe((name) => heard.push(name));
    store.set({ heads: [[1, 1]], layer: 1, head: 1, words: false });
    expect([model.saves, heard.sort()]).toEqual([1, ["head", "heads", "layer"]]);
    store.set({ layer: 1 });
    expect(model.saves).toBe(1);
    leave();
    store.set({ layer: 0 });
    expect(heard).toHaveLength(3);
  });

  it("takes its listeners off the model", () => {
    const model = counted();
    const closing = new AbortController();
    createStore(model, closing.signal);
    expect(model.listeners).toBeGreaterThan(0);
    closing.abort();
    expect(model.listeners).toBe(0);
  });

  it("batches reasons to one flush a frame", () => {
    const flushes: string[][] = [];
    const closing = new AbortController();
    const add = createFrame<string>((reasons) => void flushes.push([...reasons]), closing.signal);
    add("a");
    add("b", "a");
    vi.advanceTimersByTime(40);
    expect(flushes).toEqual([["a", "b"]]);
    add("c");
    closing.abort();
    vi.advanceTimersByTime(40);
    expect(flushes).toHaveLength(1);
  });

  it("adds and removes heads, and never leaves none", () => {
    expect(togglePick([[0, 0]], [1, 1])).toEqual([
      [0, 0],
      [1, 1],
    ]);
    expect(
      togglePick(
        [
          [0, 0],
          [1, 1],
        ],
        [0, 0],
      ),
    ).toEqual([[1, 1]]);
    expect(togglePick([[0, 0]], [0, 0])).toEqual([[0, 0]]);
    expect(
      pickPatch([
        [0, 0],
        [2, 3],
      ]),
    ).toEqual({
      heads: [
        [0, 0],
        [2, 3],
      ],
      layer: 2,
      head: 3,
    });
  });
});

describe("static model", () => {
  it("answers what it holds whatever the order of keys, and says when it does not", async () => {
    expect(canonical({ b: [1, { d: 2, c: 3 }], a: null })).toBe('{"a":null,"b":[1,{"c":3,"d":2}]}');
    const transport = createTransport(createStaticModel(state()), new AbortController().signal);
    const reply = await transport.request({ kind: "layer", sentence: 0, layer: 1 });
    expect([reply.content.shape, reply.buffers[0]?.byteLength]).toEqual([[2, 3, 3], 18]);
    await expect(transport.request({ kind: "sentence", sentence: 9 })).rejects.toThrow("saved without");
  });

  it("unpacks heads, and leaves zeros where one was left out", async () => {
    const request = { kind: "layer", sentence: 0, layer: 0 } as const;
    // zlib.compress(bytes([0, 64, 128, 255]))
    const heads = [null, "eJxjcGj4DwACwwHA"];
    const reply = { shape: [2, 2, 2], missing: [0] };
    const model = createStaticModel({ traits: {}, replies: [{ request, reply, heads }] });
    const data = createData(createTransport(model, new AbortController().signal));
    const layer = await data.layer(0, 0);
    expect([[...layer.bytes], layer.missing]).toEqual([[0, 0, 0, 0, 0, 64, 128, 255], [0]]);
    const broken = createStaticModel({ traits: {}, replies: [{ request, reply, heads: ["!"] }] });
    await expect(createTransport(broken, new AbortController().signal).request(request)).rejects.toThrow();
  });

  it("tells of changes", () => {
    const model = createStaticModel(state());
    const changed = vi.fn();
    model.on("change:layer", changed);
    model.set("layer", 1);
    model.set("layer", 1);
    model.off("change:layer", changed);
    model.set("layer", 0);
    expect(changed).toHaveBeenCalledTimes(1);
  });
});
