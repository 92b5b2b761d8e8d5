// The bar of experiments on a faked kernel: what it asks for, what it shows, and when it is off.
import { describe, expect, it } from "vitest";
import type { Traits } from "../../src/core/contract";
import type { Model, ModelCallback } from "../../src/core/model";
import { createStaticModel } from "../../src/page/model";
import { settled, state, traits } from "../helpers";
import { mounted } from "../mounted";

const panel = mounted();
const { first } = panel;
const button = (text: string): HTMLButtonElement => {
  const found = [...panel.host.querySelectorAll<HTMLButtonElement>(".xattn-experiments button")].find(
    (each) => each.textContent === text,
  );
  if (!found) throw new Error(`no button ${text}`);
  return found;
};
const headAt = (layer: number, head: number) =>
  first<HTMLButtonElement>(`.xattn-head[data-layer="${layer}"][data-head="${head}"]`);

/** Mounts a panel whose kernel answers experiments with `answers`, by action. */
async function mount(patch: Partial<Traits> = {}, answers: Record<string, unknown> = {}) {
  const inner = createStaticModel(state(undefined, patch));
  const asked: Record<string, unknown>[] = [];
  let hear: ModelCallback = () => {};
  const model: Model = {
    ...inner,
    on(event: string, callback: ModelCallback) {
      if (event === "msg:custom") hear = callback;
      inner.on(event, callback);
    },
    send(content) {
      const request = content as Record<string, unknown>;
      if (request.kind !== "live") return inner.send(content);
      asked.push(request);
      queueMicrotask(() => hear({ id: request.id, ...(answers[String(request.action)] ?? {}) }, []));
    },
  };
  panel.render(model);
  await settled();
  return { model, asked };
}

const without = ({ id: _, kind: __, ...rest }: Record<string, unknown> = {}) => rest;

describe("targets", () => {
  it("edits the text that the kernel gives, and asks to read it", async () => {
    const { asked } = await mount({}, { text: { text: "old words" } });
    button("Edit target").click();
    await settled();
    const area = first<HTMLTextAreaElement>("textarea");
    expect([area.value, document.activeElement === area]).toEqual(["old words", true]);
    area.value = "new words";
    area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
    await settled();
    expect(without(asked[1])).toEqual({ action: "target", text: "new words" });
    expect(area.closest<HTMLElement>(".xattn-experiments-row")?.hidden).toBe(true);
  });

  it("offers other tokens for the pinned one, as text, and asks for the one that is picked", async () => {
    const hostile = "<img src=x onerror=alert(1)>";
    const choices = [{ id: 7, label: hostile, logprob: Math.log(0.25) }];
    const { asked, model } = await mount({}, { choices: { choices } });
    expect(button("Other tokens").disabled).toBe(true);
    model.set("target_index", 1);
    await settled();
    button("Other tokens").click();
    await settled();
    expect(without(asked[0])).toEqual({ action: "choices", sentence: 0, position: 1 });
    expect(panel.host.querySelectorAll("img")).toHaveLength(0);
    first<HTMLButtonElement>(".xattn-choice").click();
    expect(without(asked[1])).toEqual({ action: "token", position: 1, token: 7, rest: "generate" });
    // Of another token nothing is known yet.
    model.set("target_index", 0);
    await settled();
    expect(first(".xattn-choice").closest<HTMLElement>(".xattn-experiments-row")?.hidden).toBe(true);
  });
});

describe("muting", () => {
  it("comes of a click with Alt, of the key M, and in its mode of every click", async () => {
    const { asked, model } = await mount({ muted: [[1, 1]] });
    expect(headAt(1, 1).getAttribute("aria-label")).toContain(", muted");
    headAt(0, 1).dispatchEvent(new MouseEvent("click", { bubbles: true, altKey: true }));
    headAt(1, 0).dispatchEvent(new KeyboardEvent("keydown", { key: "m", bubbles: true }));
    headAt(0, 1).click();
    await settled();
    expect(asked.map(without)).toEqual([
      {
        action: "mute",
        heads: [
          [1, 1],
          [0, 1],
        ],
      },
      {
        action: "mute",
        heads: [
          [1, 1],
          [1, 0],
        ],
      },
    ]);
    expect(model.get("heads")).toEqual([[0, 1]]);
    button("Mute heads").click();
    await settled();
    headAt(1, 1).click();
    expect(without(asked[2])).toEqual({ action: "mute", heads: [] });
  });

  it("says what it has done, and compares", async () => {
    const effect = {
      base: 0,
      forced: 0,
      written: 0,
      before_logprob: -1,
      forced_logprob: -3.5,
      written_logprob: -2,
      written_text: "other words",
      same: false,
    };
    const { model } = await mount({ muted: [[0, 0]], live: { why: "", busy: "", error: "", effect } });
    expect(first(".xattn-experiments").textContent).toContain("log-probability −1.000 → −3.500 (−2.500)");
    expect(first(".xattn-experiments").textContent).toContain("other words");
    // Above the view only when it is new.
    expect(first(".xattn-loading").textContent).toBe("");
    const newer = { ...effect, written_text: "newer words" };
    model.set("live", { why: "", busy: "", error: "", effect: newer });
    await settled();
    expect(first(".xattn-loading").textContent).toBe("The model now writes: \u2068newer words\u2069");
    button("Compare").click();
    expect([model.get("panel"), model.get("compare")]).toEqual(["compare", { sentence: 0 }]);
  });
});

describe("long calls, errors and what is off", () => {
  it("shows progress with a stop, and errors", async () => {
    const live = { why: "", busy: "Generating: 12 tokens", error: "ValueError: no", effect: null };
    const { asked, model } = await mount({ live });
    expect(first(".xattn-experiments").textContent).toContain("Generating: 12 tokens");
    expect(first(".xattn-experiments").textContent).toContain("ValueError: no");
    button("Stop").click();
    expect(without(asked[0])).toEqual({ action: "stop" });
    model.set("live", { ...live, busy: "", error: "" });
    await settled();
    expect(button("Stop").hidden).toBe(true);
  });

  it("tells the kernel's refusal", async () => {
    await mount({}, { text: { error: "RuntimeError: the model is gone" } });
    button("Edit target").click();
    await settled();
    expect(first(".xattn-experiments").textContent).toContain("the model is gone");
  });

  it("is off without a kernel or a model, and says why", async () => {
    for (const [patch, words] of [
      [{ info: { ...traits().info, has_kernel: false } }, "without a kernel"],
      [{ live: { why: "no model here", busy: "", error: "", effect: null } }, "no model here"],
    ] as const) {
      const { asked, model } = await mount(patch);
      expect(first(".xattn-experiments").textContent).toContain(words);
      for (const name of ["Edit target", "Other tokens", "Mute heads"])
        expect(button(name).disabled).toBe(true);
      headAt(0, 1).dispatchEvent(new MouseEvent("click", { bubbles: true, altKey: true }));
      expect([asked, model.get("heads")]).toEqual([[], [[0, 1]]]);
      panel.close();
    }
  });
});
