// The comparison in a mounted panel.
import { describe, expect, it } from "vitest";
import type { Head } from "../../src/core/contract";
import { createStaticModel } from "../../src/page/model";
import { sentenceInfo, settled, state } from "../helpers";
import { mounted, TWO } from "../mounted";

const panel = mounted();
const { all, first, press, mountTwo: mount } = panel;

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
    for (const name of ["compare", "scores"] as const) {
      const slow = createStaticModel(state(["a", "b"], { panel: name, score_name: "entropy" }));
      const send = slow.send.bind(slow);
      slow.send = (content) => void setTimeout(() => send(content), 60);
      panel.render(slow);
      await settled();
      await settled();
      await settled();
      const found =
        name === "compare" ? all(".xattn-pane-text")[1]?.textContent : all(".xattn-score-row").length;
      expect(found).toBe(name === "compare" ? "layer 1, mean of all heads" : 4);
      panel.close();
    }
  });

  it("says so when nothing is shared", async () => {
    await mount({ panel: "compare", info: TWO }, (page) => {
      const { sentence } = page.sentences[1] ?? {};
      if (sentence && "source" in sentence)
        sentence.source = { ...sentence.source, labels: ["p", "q", "r", "s"] };
    });
    expect(first(".xattn-pane .xattn-empty").hidden).toBe(false);
  });
});
