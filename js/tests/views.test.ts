// The views beside lines and matrix: comparison, scores, search, copying, the table and the options.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Head, Traits } from "../src/core/contract";
import widget from "../src/entry";
import { createStaticModel } from "../src/page/model";
import { counted, sentenceInfo, settled, state } from "./helpers";

let host: HTMLElement;
let close: (() => void) | null = null;

beforeEach(() => {
  host = document.createElement("div");
  document.body.append(host);
});
afterEach(() => {
  close?.();
  close = null;
  host.remove();
});

const all = (selector: string) => [...host.querySelectorAll<HTMLElement>(selector)];
const first = (selector: string) => {
  const found = host.querySelector<HTMLElement>(selector);
  if (!found) throw new Error(`nothing matches ${selector}`);
  return found;
};
const press = (element: Element, key: string, more: KeyboardEventInit = {}) => {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
  element.dispatchEvent(event);
  return event;
};

/** A page of two sentences; the second shares three of its four tokens with the first. */
async function mount(
  patch: Partial<Traits> = {},
  change: (page: ReturnType<typeof state>) => void = () => {},
) {
  const page = state(["a", "b", "c", "</s>"], patch);
  const other = state(["a", "x", "c", "</s>"]);
  for (const entry of other.replies) {
    const request = entry.request as { sentence: number };
    page.replies.push({ ...entry, request: { ...request, sentence: 1 } });
  }
  change(page);
  const model = counted(createStaticModel(page));
  close = widget.render({ model, el: host });
  await settled();
  return model;
}

const TWO = {
  layers: 2,
  heads: 2,
  model: "Toy",
  live: false,
  sentences: [sentenceInfo({ name: "before" }), sentenceInfo({ name: "after" })],
};

describe("comparison", () => {
  it("sets the next sentence beside the first, and says what each side is", async () => {
    await mount({ panel: "compare", info: TWO });
    expect(all(".xattn-pane-text").map((text) => text.textContent)).toEqual([
      "before · layer 0, head 0",
      "after · layer 0, head 0",
      "3 target, 3 source tokens in both",
    ]);
  });

  it("is told to a screen reader", async () => {
    await mount({ panel: "compare", info: TWO });
    const told = all('.xattn-hidden[aria-live="polite"]').map((element) => element.textContent);
    expect(told.join(" ")).toContain(
      "Comparing A, before · layer 0, head 0, with B, after · layer 0, head 0. Picked layer 0, head 0.",
    );
  });

  it("picks heads for either side, and swaps the two", async () => {
    const model = await mount({ panel: "compare", info: TWO });
    const [, b] = all(".xattn-radio input") as HTMLInputElement[];
    b?.click();
    await settled();
    all(".xattn-head")[3]?.click();
    expect(model.get("heads")).toEqual([[0, 0]]);
    expect(model.get("compare")).toEqual({ sentence: 1, heads: [[1, 1]] });
    await settled();
    expect(all('.xattn-head[aria-pressed="true"]').map((cell) => cell.dataset.layer)).toEqual(["0", "1"]);
    first(".xattn-compare-bar .xattn-button").click();
    expect([model.get("sentence"), model.get("heads"), model.get("layer")]).toEqual([1, [[1, 1]], 1]);
    expect(model.get("compare")).toEqual({ sentence: 0, heads: [[0, 0]] });
  });

  it("follows the heads of the first side where only a sentence was named", async () => {
    const model = await mount({ panel: "compare", info: TWO, compare: { sentence: 1 } });
    model.set("heads", [[1, 0]]);
    await settled();
    expect(all(".xattn-pane-text")[1]?.textContent).toBe("after · layer 1, head 0");
  });

  it("falls back to the last layer of a model without those heads", async () => {
    const sentences = [sentenceInfo(), sentenceInfo({ layers: 1, heads: 2 })];
    const heads: Head[] = [[1, 1]];
    await mount({ panel: "compare", info: { ...TWO, sentences }, heads, layer: 1, head: 1 });
    expect(all(".xattn-pane-text")[1]?.textContent).toBe("sentence 2 · layer 0, mean of all heads");
  });

  it("compares with the layer before where there is one sentence", async () => {
    await mount({ panel: "compare", heads: [[1, 0]], layer: 1 });
    expect(all(".xattn-pane-text")[1]?.textContent).toBe("layer 0, mean of all heads");
    expect(first(".xattn-compare-bar .xattn-field:has(select)").hidden).toBe(true);
  });

  it("reads the same cell in all three maps", async () => {
    await mount({ panel: "compare", info: TWO });
    const plots = all(".xattn-compare .xattn-plot");
    press(plots[2] as Element, "ArrowRight");
    expect(first(".xattn-compare .xattn-readout").textContent).toMatch(
      /^\u2068a\u2069 on \u2068a\u2069 · A \d\.\d\d · B \d\.\d\d · A − B (0\.00|[+−]\d\.\d\d)$/,
    );
    // The second token of the first sentence is not in the other.
    press(plots[0] as Element, "ArrowDown");
    press(plots[0] as Element, "ArrowDown");
    press(plots[0] as Element, "ArrowUp");
    expect(first(".xattn-compare .xattn-readout").textContent).toContain("no such pair");
  });

  it("opens on it and on the scores also where the kernel takes its time", async () => {
    for (const panel of ["compare", "scores"] as const) {
      const slow = createStaticModel(state(["a", "b"], { panel, score_name: "entropy" }));
      const send = slow.send.bind(slow);
      slow.send = (content) => void setTimeout(() => send(content), 60);
      close = widget.render({ model: slow, el: host });
      await settled();
      await settled();
      await settled();
      const found =
        panel === "compare" ? all(".xattn-pane-text")[1]?.textContent : all(".xattn-score-row").length;
      expect(found).toBe(panel === "compare" ? "layer 0, mean of all heads" : 4);
      close();
    }
    close = null;
  });

  it("says so when nothing is shared", async () => {
    await mount({ panel: "compare", info: TWO }, (page) => {
      for (const entry of page.replies) {
        const { kind, sentence } = entry.request as { kind: string; sentence: number };
        if (kind !== "sentence" || sentence !== 1) continue;
        const reply = structuredClone(entry.reply) as { source: { labels: string[] } };
        reply.source.labels = ["p", "q", "r", "s"];
        entry.reply = reply;
      }
    });
    expect(first(".xattn-pane .xattn-empty").hidden).toBe(false);
  });
});

describe("scores", () => {
  const list = [
    { name: "entropy", direction: "lower", description: "", signature: "entropy|v:1" },
    { name: "peak", direction: "higher", description: "", signature: "peak|v:1" },
  ] as Traits["score_list"];
  const withPeak = (page: ReturnType<typeof state>) =>
    page.replies.push({
      request: { kind: "scores", sentence: 0, name: "peak" },
      reply: {
        values: [
          [1, 2],
          [3, 4],
        ],
        signature: "peak|v:1",
      },
      buffers: [],
    });
  const open = (patch: Partial<Traits> = {}) =>
    mount({ panel: "scores", score_list: list, ...patch }, (page) => void withPeak(page));
  const names = () => all(".xattn-score-row button").map((button) => button.textContent);

  it("lists every head best first and sorts by another score or the other way round", async () => {
    const model = await open();
    expect(names()).toEqual(["L0 H1", "L0 H0", "L1 H1", "L1 H0"]);
    all(".xattn-column-name button")[0]?.click();
    expect(names()[0]).toBe("L1 H0");
    all(".xattn-column-name button")[1]?.click();
    expect(model.get("score_name")).toBe("peak");
    await settled();
    expect(names()).toEqual(["L1 H1", "L1 H0", "L0 H1", "L0 H0"]);
    expect(all('[aria-sort="descending"]').map((cell) => cell.textContent)).toEqual(["peak ↓"]);
  });

  it("picks a head by a row, by a dot, and walks both by keys", async () => {
    const model = await open();
    all(".xattn-score-row")[0]?.click();
    expect(model.get("heads")).toEqual([[0, 1]]);
    await settled();
    expect(first(".xattn-picked-row button").textContent).toBe("L0 H1");
    const button = all(".xattn-score-row button")[0] as HTMLElement;
    button.focus();
    press(button, "ArrowDown");
    expect((document.activeElement as HTMLElement).textContent).toBe("L0 H0");
    // A head without one of the scores has no dot.
    const dots = all(".xattn-dot-mark");
    expect(dots.map((dot) => dot.dataset.head).sort()).toEqual(["0,0", "0,1", "1,1"]);
    const dot = dots.find((each) => each.dataset.head === "0,0") as HTMLElement;
    dot.focus();
    press(dot, "ArrowRight");
    expect((document.activeElement as HTMLElement).dataset.head).toBe("1,1");
    press(document.activeElement as Element, "Enter");
    expect(model.get("heads")).toEqual([[1, 1]]);
  });

  it("shows the others where one fails, and says why it did", async () => {
    await mount({ panel: "scores", score_list: list }, (page) => {
      withPeak(page);
      for (const entry of page.replies) {
        const { kind, name } = entry.request as { kind: string; name?: string };
        if (kind === "scores" && name === "entropy") entry.reply = { error: "ZeroDivisionError: <b>" };
      }
    });
    expect(names()).toEqual(["L0 H0", "L0 H1", "L1 H0", "L1 H1"]);
    const cells = [...(all(".xattn-score-row")[0]?.children ?? [])].map((cell) => cell.textContent);
    expect(cells).toEqual(["–", "L0 H0", "failed", "1.000"]);
    expect(first(".xattn-own-score").textContent).toBe("could not be computed: ZeroDivisionError: <b>");
    expect(first(".xattn-scatter .xattn-readout").textContent).toBe("entropy could not be computed");
    expect(first(".xattn-alert").textContent).toContain("ZeroDivisionError: <b>");
  });

  it("sets another score against the first by its picker", async () => {
    const model = await open({ second_score: "entropy" });
    const select = first(".xattn-scatter select") as HTMLSelectElement;
    expect(select.value).toBe("entropy");
    select.value = "peak";
    select.dispatchEvent(new Event("change"));
    expect(model.get("second_score")).toBe("peak");
  });

  it("keeps the others where one fails", async () => {
    await mount({ panel: "scores", score_list: list });
    expect(names()).toHaveLength(4);
    expect(first('[role="alert"]').textContent).toContain('"peak"');
  });
});

describe("reading", () => {
  it("finds tokens on both sides, goes through them, and forgets them", async () => {
    const model = await mount();
    const input = first(".xattn-search") as HTMLInputElement;
    input.value = "C";
    input.dispatchEvent(new Event("input"));
    expect(all(".xattn-found").map((token) => token.textContent)).toEqual(["c", "c"]);
    press(input, "Enter");
    expect([model.get("source_index"), model.get("target_index")]).toEqual([2, null]);
    press(input, "Enter");
    expect([model.get("source_index"), model.get("target_index")]).toEqual([null, 2]);
    expect(first(".xattn-find .xattn-number").textContent).toBe("2/2");
    press(input, "Escape");
    expect(all(".xattn-found")).toHaveLength(0);
  });

  it("copies a row as text", async () => {
    const written = vi.fn((_: string) => Promise.resolve());
    Object.defineProperty(navigator, "clipboard", { value: { writeText: written }, configurable: true });
    await mount({ info: { ...TWO, sentences: [sentenceInfo()] } });
    const token = all(".xattn-target .xattn-token")[1] as HTMLElement;
    press(token, "c");
    await settled();
    const lines = (written.mock.calls[0]?.[0] ?? "").split("\n");
    expect(lines[0]).toBe("# target 1: b, layer 0, head 0, log-probability -0.5000");
    expect(lines[1]).toBe("position\tsource\tweight");
    expect(lines).toHaveLength(2 + 4 + 1);
    Reflect.deleteProperty(navigator, "clipboard");
  });

  it("keeps lines by weight, by rank or by mass, with one slider", async () => {
    const model = await mount();
    const keep = all(".xattn-options select")[5] as HTMLSelectElement;
    keep.value = "top";
    keep.dispatchEvent(new Event("change"));
    await settled();
    expect(first(".xattn-threshold .xattn-label").textContent).toBe("Lines a row");
    const slider = first(".xattn-threshold input") as HTMLInputElement;
    slider.value = "2";
    slider.dispatchEvent(new Event("input"));
    expect([model.get("keep"), model.get("top_k")]).toEqual(["top", 2]);
  });

  it("shows the matrix as a table of the same numbers", async () => {
    const model = await mount({ panel: "matrix" });
    const button = all(".xattn-tools button").find((each) => each.textContent === "As a table");
    button?.click();
    expect(model.get("table")).toBe(true);
    await settled();
    expect(first(".xattn-matrix .xattn-plot").hidden).toBe(true);
    expect(all(".xattn-table-box tbody tr")).toHaveLength(4);
    expect(all(".xattn-table-box tbody td")[1]?.textContent).toBe("0.02"); // byte 37 of the scripted layer
  });

  it("shows how the picked heads align by the reference", async () => {
    await mount({}, (page) => {
      const sentence = page.replies[0];
      if (sentence) sentence.reply.reference = { links: [[0, 0, true]], words: true };
      page.replies.push({
        request: { kind: "alignment", sentence: 0, heads: [[0, 0]], aggregate: "mean", reading: "output" },
        reply: { aer: 0.25, precision: 0.5, recall: null, links: 3, method: "argmax" },
        buffers: [],
      });
    });
    expect(first(".xattn-aligned").textContent).toBe(
      "AER 0.25 · precision 0.50 · recall undefined · 3 links",
    );
  });
});
