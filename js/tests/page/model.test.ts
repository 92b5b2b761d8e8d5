// The model of a page without a kernel.
// @vitest-environment node
import { describe, expect, it, vi } from "vitest";
import { createData } from "../../src/core/data";
import { createTransport } from "../../src/core/transport";
import { createStaticModel } from "../../src/page/model";
import { state } from "../helpers";

describe("static model", () => {
  it("answers what it holds whatever the order of keys, and says when it does not", async () => {
    const transport = createTransport(createStaticModel(state()), new AbortController().signal);
    const reply = await transport.request({ layer: 1, sentence: 0, kind: "layer" });
    expect([reply.content.shape, reply.buffers[0]?.byteLength]).toEqual([[2, 3, 3], 18]);
    await expect(transport.request({ kind: "sentence", sentence: 9 })).rejects.toThrow("saved without");
  });

  it("unpacks heads, and leaves zeros where one was left out", async () => {
    // zlib.compress(bytes([0, 64, 128, 255]))
    const saved = (heads: (string | null)[]) => {
      const page = state();
      const [sentence] = page.sentences;
      if (sentence) sentence.layers = [{ shape: [2, 2, 2], missing: [0], heads }];
      return createTransport(createStaticModel(page), new AbortController().signal);
    };
    const data = createData(saved([null, "eJxjcGj4DwACwwHA"]));
    const layer = await data.layer(0, 0);
    expect([[...layer.bytes], layer.missing]).toEqual([[0, 0, 0, 0, 0, 64, 128, 255], [0]]);
    const broken = saved(["!", "!"]).request({ kind: "layer", sentence: 0, layer: 0 });
    await expect(broken).rejects.toThrow();
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
