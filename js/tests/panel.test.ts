// The whole panel on a static model: it draws, follows the traits, reports gestures, and leaves nothing behind.
import { describe, expect, it, vi } from "vitest";
import type { Traits } from "../src/core/contract";
import type { ModelCallback } from "../src/core/model";
import widget from "../src/entry";
import { createStaticModel } from "../src/page/model";
import { counted, settled, state } from "./helpers";
import { mounted } from "./mounted";
import { observers } from "./setup";

const panel = mounted();
const { all, first, press } = panel;
const mount = (labels?: string[], patch: Partial<Traits> = {}) => panel.mount(state(labels, patch));

describe("mounting", () => {
  it("draws tokens, heads, ranking and notes", async () => {
    await mount();
    expect(all(".xattn-source .xattn-token").map((token) => token.textContent)).toEqual(["a", "b", "</s>"]);
    expect(first(".xattn-head").getAttribute("aria-label")).toBe(
      "layer 0, head 0, entropy 0.500, rank 2 of 3",
    );
    expect(all(".xattn-undefined")).toHaveLength(1);
    expect(first(".xattn-notes").textContent).toBe("a note");
    expect(first(".xattn-ranked").getAttribute("aria-label")).toContain("layer 1, head 1, rank 3");
    // Lower is better, so that the last head of those with a value is the first in rank.
    expect(all(".xattn-ranked").at(-4)?.getAttribute("aria-label")).toContain("rank 1");
  });

  it("leaves no listeners, observers, timers or nodes", async () => {
    const page = vi.spyOn(document, "addEventListener");
    const view = vi.spyOn(window, "addEventListener");
    const before = observers.size;
    const model = await mount();
    expect(model.listeners).toBeGreaterThan(0);
    expect(page.mock.calls).toHaveLength(0);
    panel.close();
    // Printing is an event of the window.
    expect(view.mock.calls.map(([name]) => name)).toEqual(["beforeprint", "afterprint"]);
    const signals = view.mock.calls.map(([, , options]) => (options as AddEventListenerOptions).signal);
    expect(signals.every((signal) => signal?.aborted)).toBe(true);
    expect([model.listeners, observers.size, panel.host.childNodes.length]).toEqual([0, before, 0]);
    model.set("layer", 1);
    await settled();
    expect(panel.host.childNodes).toHaveLength(0);
  });

  it("keeps hostile labels text", async () => {
    const hostile = ['</script><img src=x onerror="alert(1)">', "\u202eabc", "x".repeat(10_000)];
    await mount(hostile);
    expect(all("img, script")).toHaveLength(0);
    expect(first(".xattn-source .xattn-token").textContent).toBe(hostile[0]);
    for (const token of all(".xattn-token")) {
      expect(token.firstElementChild?.tagName).toBe("BDI");
      expect((token.textContent ?? "").length).toBeLessThan(200);
    }
  });

  it("draws two views of one model, each on its own", async () => {
    const model = await mount();
    const other = document.createElement("div");
    const closeOther = widget.render({ model, el: other });
    await settled();
    model.set("heads", [[1, 1]]);
    await settled();
    for (const root of [panel.host, other])
      expect(root.querySelectorAll('.xattn-head[aria-pressed="true"]')[0]?.getAttribute("data-layer")).toBe(
        "1",
      );
    closeOther();
  });
});

describe("gestures", () => {
  it("picks, adds and removes heads, and saves once a gesture", async () => {
    const model = await mount();
    const cells = all(".xattn-head");
    cells[3]?.click();
    expect([model.get("heads"), model.get("layer"), model.get("head"), model.saves]).toEqual([
      [[1, 1]],
      1,
      1,
      1,
    ]);
    cells[0]?.dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey: true }));
    expect(model.get("heads")).toEqual([
      [1, 1],
      [0, 0],
    ]);
    all(".xattn-row-label")[1]?.click();
    expect(model.get("heads")).toEqual([
      [1, 0],
      [1, 1],
    ]);
  });

  it("moves over the grid by arrow keys and keeps them from the notebook", async () => {
    const model = await mount();
    const cell = first(".xattn-head");
    cell.focus();
    expect(press(cell, "ArrowRight").defaultPrevented).toBe(true);
    expect((document.activeElement as HTMLElement).dataset.head).toBe("1");
    press(document.activeElement as Element, "Enter");
    expect(model.get("heads")).toEqual([[0, 1]]);
    expect(press(cell, "a").defaultPrevented).toBe(false);
  });

  it("pins by click, unpins by a second click or Escape, and lists partners", async () => {
    const model = await mount();
    const token = all(".xattn-target .xattn-token")[1] as HTMLElement;
    token.click();
    expect([model.get("target_index"), model.get("source_index")]).toEqual([1, null]);
    await settled();
    expect(token.classList.contains("xattn-active")).toBe(true);
    expect(all(".xattn-partner-token").length).toBeGreaterThan(0);
    expect(first(".xattn-detail").textContent).toContain("probability 0.607");
    token.click();
    expect(model.get("target_index")).toBeNull();
    token.click();
    press(token, "Escape");
    expect(model.get("target_index")).toBeNull();
  });

  it("does not rebuild or sync anything on hover", async () => {
    const model = await mount();
    const before = all(".xattn-token");
    const token = before[4] as HTMLElement;
    token.dispatchEvent(new MouseEvent("pointerover", { bubbles: true }));
    expect(token.classList.contains("xattn-active")).toBe(true);
    expect([model.saves, model.get("target_index")]).toEqual([0, null]);
    expect(all(".xattn-token")).toEqual(before);
    first(".xattn-target").dispatchEvent(new MouseEvent("pointerleave"));
    expect(all(".xattn-active")).toHaveLength(0);
  });

  it("keeps the outline of the pinned token while another one is inspected", async () => {
    const model = await mount();
    const [, pinned, other] = all(".xattn-target .xattn-token") as HTMLElement[];
    const outlined = () => all(".xattn-is-pinned");
    pinned?.click();
    await settled();
    other?.dispatchEvent(new MouseEvent("pointerover", { bubbles: true }));
    expect([outlined(), all(".xattn-active")]).toEqual([[pinned], [other]]);
    // Of another head, and of another side.
    model.set("heads", [[1, 1]]);
    await settled();
    expect(outlined()).toEqual([pinned]);
    all(".xattn-source .xattn-token")[0]?.click();
    await settled();
    expect(outlined()).toEqual([all(".xattn-source .xattn-token")[0]]);
    model.set("source_index", null);
    await settled();
    expect(outlined()).toEqual([]);
  });

  it("moves whole layers and several heads to the next layer by the Page keys", async () => {
    const model = await mount();
    const token = all(".xattn-target .xattn-token")[0] as HTMLElement;
    const moved = (heads: [number, number][], key: string) => {
      model.set("heads", heads);
      model.set("layer", heads.at(-1)?.[0] ?? 0);
      model.set("head", heads.at(-1)?.[1] ?? 0);
      press(token, key);
      return [model.get("heads"), model.get("layer"), model.get("head")];
    };
    const whole = (layer: number): [number, number][] => [
      [layer, 0],
      [layer, 1],
    ];
    expect(moved(whole(0), "PageDown")).toEqual([whole(1), 1, 1]);
    expect(moved(whole(1), "PageUp")).toEqual([whole(0), 0, 1]);
    // There is no layer below the last and none above the first.
    expect(moved(whole(1), "PageDown")).toEqual([whole(1), 1, 1]);
    expect(moved(whole(0), "PageUp")).toEqual([whole(0), 0, 1]);
    // In the order in which they were picked.
    expect(moved([...whole(0)].reverse(), "PageDown")).toEqual([[...whole(1)].reverse(), 1, 0]);
    // Heads of several layers: the one picked last.
    const scattered: [number, number][] = [
      [1, 1],
      [0, 0],
    ];
    expect(moved(scattered, "PageDown")).toEqual([[[1, 0]], 1, 0]);
  });

  it("walks tokens by keys and steps through the layers", async () => {
    const model = await mount();
    const tokens = all(".xattn-target .xattn-token");
    tokens[0]?.focus();
    press(tokens[0] as Element, "ArrowDown");
    expect([document.activeElement, model.get("target_index")]).toEqual([tokens[1], 1]);
    press(tokens[1] as Element, "PageDown");
    expect([model.get("layer"), model.get("heads")]).toEqual([1, [[1, 0]]]);
    await settled();
    // The tokens are the same ones: the reader keeps the place.
    expect(document.activeElement).toBe(tokens[1]);
    press(tokens[1] as Element, "ArrowLeft");
    expect(document.activeElement?.closest(".xattn-source")).not.toBeNull();
    expect([model.get("target_index"), model.get("source_index")]).toEqual([null, expect.any(Number)]);
  });
});

describe("following the traits", () => {
  it("drops special tokens, says so, and comes back", async () => {
    const model = await mount();
    model.set("special", "drop");
    await settled();
    expect(all(".xattn-source .xattn-token")).toHaveLength(2);
    expect(first(".xattn-note-chip").hidden).toBe(false);
    // Of the bytes 0, 37, 74 and 111, 148, 185 squared, the last of each row.
    const held = (74 ** 2 / (37 ** 2 + 74 ** 2) + 185 ** 2 / (111 ** 2 + 148 ** 2 + 185 ** 2)) / 2;
    expect(first(".xattn-note-chip").textContent).toBe(
      `special tokens (${Math.round(100 * held)}% of the weight) dropped, rows renormalized`,
    );
    model.set("special", "show");
    await settled();
    expect(all(".xattn-source .xattn-token")).toHaveLength(3);
    expect(first(".xattn-note-chip").hidden).toBe(true);
  });

  it("drops punctuation as well, and says so where nothing is left", async () => {
    const page = (...marks: boolean[]) => {
      const made = state(["a", ".", "</s>"], { special: "drop_punctuation" });
      for (const { sentence } of made.sentences)
        if ("source" in sentence) {
          sentence.source.punctuation = marks;
          sentence.target.output.punctuation = [false, true, false];
        }
      return made;
    };
    await panel.mount(page(false, true, false));
    expect(all(".xattn-token").map((token) => token.textContent)).toEqual(["a", "a"]);
    expect(first(".xattn-note-chip").textContent).toContain("special tokens and punctuation (");
    const [option] = all(".xattn-options option").filter((option) =>
      option.textContent?.includes("punctuation"),
    );
    expect((option as HTMLOptionElement).selected).toBe(true);
    expect(option?.textContent).toBe("drop with punctuation");
    panel.close();
    await panel.mount(page(true, true, false));
    expect(first(".xattn-empty").textContent).toBe(
      "Every token here is special or punctuation, and both are dropped.",
    );
  });

  it("follows panel, layout, reading and a pin set by Python", async () => {
    const model = await mount();
    model.set("target_index", 2);
    model.set("orientation", "rows");
    await settled();
    expect(first(".xattn-lines").classList.contains("xattn-rows")).toBe(true);
    expect(first(".xattn-active").textContent).toBe("</s>");
    model.set("panel", "matrix");
    await settled();
    expect([first(".xattn-lines").hidden, first(".xattn-matrix").hidden]).toEqual([true, false]);
    expect(first('[role="tab"][aria-selected="true"]').textContent).toBe("Matrix");
  });

  it("shows an error in words, lives on, and offers to retry", async () => {
    const model = await mount(undefined, { score_name: "missing" });
    expect(first('[role="alert"]').textContent).toContain('The score "missing" could not be computed');
    expect(all(".xattn-token").length).toBeGreaterThan(0);
    model.set("score_name", "entropy");
    await settled();
    expect(first('[role="alert"]').textContent).toBe("");
  });

  it("falls back to an aggregate beyond the colors, and says so", async () => {
    const heads = Array.from({ length: 8 }, (_, i) => [i % 2, i % 2] as [number, number]);
    await mount(undefined, { heads });
    expect(first(".xattn-heading-heads").textContent).toBe(
      "Mean of 8 heads, rows named by the token being written",
    );
    expect(first(".xattn-chips").hidden).toBe(true);
  });

  it("shows a score that the user adds later", async () => {
    const model = await mount();
    const added = { name: "mine", direction: "higher", description: "", signature: "mine" };
    model.set("score_list", [...(model.get("score_list") as object[]), added]);
    await settled();
    expect([...first(".xattn-score select").children].map((option) => option.textContent)).toEqual([
      "entropy",
      "mine",
    ]);
  });
});

describe("exact numbers", () => {
  it("replace the quantized ones when the kernel has them", async () => {
    const row = Float32Array.from([0.1234, 0.8, 0]);
    const model = counted(createStaticModel(state()));
    const { send } = model;
    let hear: (content: unknown, buffers: DataView[]) => void = () => {};
    const on = model.on as (event: string, callback: ModelCallback) => void;
    model.on = (event: string, callback: ModelCallback) => {
      if (event === "msg:custom") hear = callback;
      on(event, callback);
    };
    model.send = (request) => {
      if (request.kind === "row") queueMicrotask(() => hear({ id: request.id }, [new DataView(row.buffer)]));
      else send(request);
    };
    panel.render(model);
    await settled();
    all(".xattn-target .xattn-token")[1]?.dispatchEvent(new MouseEvent("pointerover", { bubbles: true }));
    const numbers = () => all(".xattn-partner .xattn-number").map((number) => number.textContent);
    expect(numbers()[0]).toMatch(/^0\.\d\d$/);
    await settled();
    expect(numbers().slice(0, 2)).toEqual(["0.800", "0.123"]);
  });

  it("that fail are told below the view, and only where there is a kernel", async () => {
    const hover = () =>
      all(".xattn-target .xattn-token")[1]?.dispatchEvent(new MouseEvent("pointerover", { bubbles: true }));
    await mount();
    hover();
    await settled();
    expect(first('[role="alert"]').textContent).toContain("The exact weights could not be read");
    expect(first('[role="alert"]').classList.contains("xattn-below")).toBe(true);
    panel.close();
    const info = { layers: 2, heads: 2, model: "Toy", sentences: [], has_kernel: false };
    await mount(undefined, { info });
    hover();
    await settled();
    expect(first('[role="alert"]').textContent).toBe("");
  });
});
