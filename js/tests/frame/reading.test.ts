// Search, copying, options, the table and the alignment in a mounted panel.
import { describe, expect, it, vi } from "vitest";
import { sentenceInfo, settled } from "../helpers";
import { mounted, TWO } from "../mounted";

const panel = mounted();
const { all, first, press, mountTwo: mount } = panel;

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
    expect(first(".xattn-threshold .xattn-label").textContent).toBe("Lines per row");
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
      const [saved] = page.sentences;
      if (!saved || !("source" in saved.sentence)) return;
      saved.sentence.reference = { links: [[0, 0, true]], words: true };
      saved.alignments = [
        {
          pick: { heads: [[0, 0]], aggregate: "mean", reading: "output" },
          reply: { aer: 0.25, precision: 0.5, recall: null, links: 3, method: "argmax" },
        },
      ];
    });
    expect(first(".xattn-aligned").textContent).toBe(
      "AER 0.25 · precision 0.50 · recall undefined · 3 links",
    );
  });
});
