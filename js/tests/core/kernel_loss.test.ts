// Losing the kernel: what is loaded ahead, and what still works afterwards.
import { describe, expect, it } from "vitest";
import { AHEAD_BYTES, sentencesAhead } from "../../src/core/ahead";
import { createConnection } from "../../src/core/connection";
import type { Info, Traits } from "../../src/core/contract";
import { createData } from "../../src/core/data";
import type { Model, ModelCallback } from "../../src/core/model";
import { createTransport } from "../../src/core/transport";
import { createStaticModel, type StaticState } from "../../src/page/model";
import { sentenceInfo, settled, state, traits } from "../helpers";
import { mounted, twoSentences } from "../mounted";
import { manual } from "./manual_model";

const GONE = "The kernel is gone. Everything loaded so far still works";
const panel = mounted();
const { all, first } = panel;

interface Sent {
  id: string;
  kind: string;
  sentence: number;
  layer?: number;
  layers?: "all" | "none";
}

/** A kernel that answers from a page's state, until it ends. */
function kernel(page: StaticState, ahead = true) {
  const inner = createStaticModel(page);
  const sent: Sent[] = [];
  let isGone = false;
  const hear: ModelCallback[] = [];
  const model: Model = {
    ...inner,
    on: (event: string, callback: ModelCallback) => {
      if (event === "msg:custom") hear.push(callback);
      inner.on(event, callback);
    },
    send: (content: unknown) => {
      if (isGone) throw new Error("Cannot send");
      const request = content as Sent;
      sent.push(request);
      if (request.kind !== "whole") inner.send(content);
      else if (ahead) void Promise.resolve().then(() => answerWhole(request));
    },
  };

  function answerWhole({ id, sentence, layers }: Sent): void {
    const saved = page.sentences[sentence];
    const shape = saved?.layers[0]?.shape ?? [0, 0, 0];
    const size = shape[0] * shape[1] * shape[2];
    const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 37) % 256);
    const reply = { id, sentence: saved?.sentence, scores: saved?.scores, shape };
    const buffers = layers === "all" ? (saved?.layers ?? []).map(() => new DataView(bytes.buffer)) : [];
    for (const callback of [...hear]) callback(reply, buffers);
  }

  return {
    model,
    sent,
    kinds: () => sent.map(({ kind }) => kind),
    end: () => {
      isGone = true;
    },
    restart: () => {
      isGone = false;
    },
  };
}

function twoWithKernel(patch: Partial<Traits> = {}, bytes = 64): StaticState {
  const sentences = [sentenceInfo({ name: "one", bytes }), sentenceInfo({ name: "two", bytes })];
  const info: Info = { layers: 2, heads: 2, model: "Toy", has_kernel: true, sentences };
  return twoSentences({ info, ...patch });
}

async function mountKernel(page: StaticState, ahead = true) {
  const running = kernel(page, ahead);
  panel.render(running.model);
  await settled();
  await settled();
  return running;
}

const head = (layer: number, index: number) =>
  first(`.xattn-head[data-layer="${layer}"][data-head="${index}"]`);
const alert = () => first(".xattn-alert").textContent ?? "";
const tokens = () => all(".xattn-source .xattn-token").map(({ textContent }) => textContent);

describe("loading ahead", () => {
  it("asks once for each sentence, the shown one first, one at a time, and then for nothing", async () => {
    const running = await mountKernel(twoWithKernel({ sentence: 1 }));
    const whole = running.sent.filter(({ kind }) => kind === "whole");
    expect(whole.map(({ sentence, layers }) => [sentence, layers])).toEqual([
      [1, "all"],
      [0, "all"],
    ]);
    const before = running.sent.length;
    head(0, 1).click();
    await settled();
    head(1, 0).click();
    await settled();
    running.model.set("sentence", 0);
    await settled();
    expect(running.sent.slice(before).map(({ kind }) => kind)).toEqual([]);
  });

  it("waits for the answer before it asks again", async () => {
    const running = await mountKernel(twoWithKernel(), false);
    expect(running.kinds().filter((kind) => kind === "whole")).toHaveLength(1);
  });

  it("asks again for scores alone when there are others", async () => {
    const running = await mountKernel(twoWithKernel());
    const before = running.sent.length;
    running.model.set("score_list", [...(traits().score_list ?? [])]);
    await settled();
    await settled();
    const whole = running.sent.slice(before).filter(({ kind }) => kind === "whole");
    expect(whole.map(({ layers }) => layers)).toEqual(["none", "none"]);
  });

  it("keeps to its budget and to what says its size", () => {
    const info = (sizes: (number | undefined)[]): Info => ({
      layers: 1,
      heads: 1,
      model: "",
      has_kernel: true,
      sentences: sizes.map((bytes) => sentenceInfo(bytes === undefined ? {} : { bytes })),
    });
    expect(sentencesAhead(info([1, 2, 3, 4]), 2, 8)).toEqual([2, 1, 0]);
    expect(sentencesAhead(info([9, 5, 9]), 0, 8)).toEqual([1]);
    expect(sentencesAhead(info([undefined, 1]), 0)).toEqual([1]);
    expect(sentencesAhead(info([AHEAD_BYTES + 1]), 0)).toEqual([]);
    expect(sentencesAhead(info([]), 0)).toEqual([]);
  });

  it("sends nothing for a large sentence, and nothing from a page without a kernel", async () => {
    const large = await mountKernel(twoWithKernel({}, AHEAD_BYTES + 1));
    expect(large.kinds()).not.toContain("whole");
    panel.close();
    const page = twoWithKernel();
    page.traits.info = { ...(page.traits.info as Info), has_kernel: false };
    expect((await mountKernel(page)).kinds()).not.toContain("whole");
  });

  it("is not mistaken for the record that has taken the sentence's place", async () => {
    const { model, sent, answer } = manual();
    let version = 1;
    const data = createData(createTransport(model, new AbortController().signal), () => version);
    const whole = data.whole(0, false);
    version = 2;
    answer({ id: sent[0]?.id, sentence: state().sentences[0]?.sentence, scores: {}, shape: [1, 1, 1] });
    await whole;
    void data.sentence(0);
    expect(sent).toHaveLength(2);
  });
});

describe("without the kernel", () => {
  it("shows everything that was loaded, under one banner without Retry", async () => {
    const running = await mountKernel(twoWithKernel());
    running.end();
    head(1, 1).click();
    await settled();
    running.model.set("sentence", 1);
    await settled();
    expect(tokens()).toEqual(["a", "x", "c", "</s>"]);
    expect(head(1, 1).getAttribute("aria-pressed")).toBe("true");
    // The first message that cannot be sent tells; here, the exact numbers of a token.
    first(".xattn-target .xattn-token").dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
    first(".xattn-target .xattn-token").focus();
    await settled();
    expect(alert()).toContain(GONE);
    expect(alert()).not.toContain("Cannot send");
    expect((first(".xattn-alert button") as HTMLButtonElement).hidden).toBe(true);
    expect(all(".xattn-alert-box")).toHaveLength(1);
    expect(first(".xattn-experiments").textContent).toContain("Off: the kernel is gone. Run the cell again.");
    for (const button of all(".xattn-experiments-bar > .xattn-button"))
      if (button.textContent !== "Stop") expect((button as HTMLButtonElement).disabled).toBe(true);
    expect(first(".xattn-partners").textContent).toContain("0.");
  });

  it("takes back a pick that was not loaded, says so, and goes on with the rest", async () => {
    const running = await mountKernel(twoWithKernel({}, AHEAD_BYTES + 1));
    running.end();
    head(1, 0).click();
    await settled();
    expect(running.model.get("heads")).toEqual([[0, 0]]);
    expect(alert()).toContain(GONE);
    expect(alert()).toContain("Layer 1 of this sentence was not loaded before.");
    expect(first(".xattn-lines").hidden).toBe(false);
    running.model.set("sentence", 1);
    await settled();
    expect([running.model.get("sentence"), tokens()]).toEqual([0, ["a", "b", "c", "</s>"]]);
    expect(alert()).toContain("This sentence was not loaded before.");
    head(0, 1).click();
    await settled();
    expect(running.model.get("heads")).toEqual([[0, 1]]);
    expect(alert()).toContain(GONE);
    expect(alert()).not.toContain("not loaded before");
  });

  it("keeps the scores that are shown where others were not loaded", async () => {
    const more = [
      ...traits().score_list,
      { name: "other", direction: "lower" as const, description: "", signature: "other|v:1" },
    ];
    const running = await mountKernel(twoWithKernel({ score_list: more }, AHEAD_BYTES + 1));
    running.end();
    running.model.set("score_name", "other");
    await settled();
    expect(running.model.get("score_name")).toBe("entropy");
    expect(alert()).toContain('The score "other" of this sentence was not loaded before.');
    expect(head(0, 0).getAttribute("aria-label")).toContain("entropy 0.500");
  });

  it("is told by the host before any request, and ends when answers come again", async () => {
    for (const event of ["comm_live_update", "comm:close", "destroy"]) {
      const { model, sent, answer } = manual();
      const listeners = new Map<string, ModelCallback>();
      const { on } = model;
      model.on = (name: string, callback: ModelCallback) => {
        if (name === "msg:custom") on(name, callback);
        else listeners.set(name, callback);
      };
      const transport = createTransport(model, new AbortController().signal);
      listeners.get(event)?.();
      expect(transport.connection.line.value).toBe("closed");
      const asked = transport.request({ kind: "sentence", sentence: 0 });
      answer({ id: sent[0]?.id });
      await asked;
      expect(transport.connection.line.value).toBe("open");
    }
  });

  it("is seen in the state of JupyterLab's kernel, until the panel closes", () => {
    for (const [name, status, line] of [
      ["statusChanged", "restarting", "closed"],
      ["statusChanged", "dead", "closed"],
      ["statusChanged", "busy", "open"],
      ["disposed", undefined, "closed"],
    ] as const) {
      const slots: Record<string, ((sender: unknown, value: unknown) => void)[]> = {
        statusChanged: [],
        disposed: [],
      };
      const signalOf = (which: string) => ({
        connect: (slot: never) => slots[which]?.push(slot),
        disconnect: (slot: never) => slots[which]?.splice(slots[which].indexOf(slot), 1),
      });
      const host = { statusChanged: signalOf("statusChanged"), disposed: signalOf("disposed") };
      const model = { ...manual().model, widget_manager: { kernel: host } };
      const closing = new AbortController();
      const connection = createConnection(model as unknown as Model, closing.signal);
      for (const slot of slots[name] ?? []) slot(host, status);
      expect(connection.line.value).toBe(line);
      closing.abort();
      expect([slots.statusChanged, slots.disposed]).toEqual([[], []]);
    }
  });

  it("is seen where sending is a promise that fails", async () => {
    const { model } = manual();
    model.send = (() => Promise.reject(new Error("Failed to fetch"))) as unknown as Model["send"];
    const transport = createTransport(model, new AbortController().signal);
    await expect(transport.request({ kind: "sentence", sentence: 0 })).rejects.toThrow("Failed to fetch");
    expect(transport.connection.line.value).toBe("closed");
  });

  it("that answers again, the rest is loaded and the banner goes", async () => {
    const running = await mountKernel(twoWithKernel({}, AHEAD_BYTES + 1));
    running.end();
    head(1, 0).click();
    await settled();
    expect(alert()).toContain(GONE);
    running.restart();
    head(1, 1).click();
    await settled();
    expect(running.model.get("heads")).toEqual([[1, 1]]);
    expect(alert()).toBe("");
    expect(first(".xattn-experiments").textContent).not.toContain("Off");
  });
});
