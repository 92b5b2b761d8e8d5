// The readout in a mounted panel: what stands out, a pin by a click on it, and the strips of several heads.
import { describe, expect, it } from "vitest";
import type { Traits } from "../../src/core/contract";
import { packed, sentenceInfo, settled, state } from "../helpers";
import { mounted } from "../mounted";

const panel = mounted();
const { all, first, press } = panel;
const FIXED = { words: false, keep: "threshold", special: "show", reading: "output" } as const;

/** A page of three words and an end; row by row, each head looks at the source words given, byte 255 each. */
function page(looks: number[][], patch: Partial<Traits> = {}) {
  const labels = ["a", "b", "c", "</s>"];
  const made = state(labels, { ...FIXED, ...patch });
  const heads = looks.map((sources) =>
    packed(sources.flatMap((source) => labels.map((_, i) => (i === source ? 255 : 0)))),
  );
  const [saved] = made.sentences;
  if (saved && "source" in saved.sentence) {
    saved.layers = [0, 1].map(() => ({ shape: [looks.length, 4, 4], heads: [...heads] }));
    saved.sentence.logprobs = [Math.log(0.5), Math.log(0.25), Math.log(0.9), 0];
  }
  const sentences = [sentenceInfo({ heads: looks.length })];
  made.traits.info = { layers: 2, heads: looks.length, model: "Toy", has_kernel: false, sentences };
  return made;
}

const entries = () => all(".xattn-entry").filter((entry) => !(entry.parentElement as HTMLElement).hidden);
const textOf = (entry: HTMLElement) =>
  [".xattn-partner-name", ".xattn-number"].map((part) => entry.querySelector(part)?.textContent).join(" ");
const hover = (side: string, unit: number) =>
  all(`.xattn-${side} .xattn-token`)[unit]?.dispatchEvent(new MouseEvent("pointerover", { bubbles: true }));

describe("the readout without a token", () => {
  it("names the least read source words and the least certain target words", async () => {
    await panel.mount(page([[0, 0, 1, 3]]));
    expect(first(".xattn-overall").textContent).toContain("Least read source tokens");
    expect(entries().map((entry) => textOf(entry))).toEqual([
      "c 0.00",
      "b 1.00",
      "a 2.00",
      "b 0.250",
      "a 0.500",
      "c 0.900",
    ]);
    expect(first(".xattn-hint").hidden).toBe(false);
    hover("source", 0);
    expect(first(".xattn-overall").hidden).toBe(true);
    expect(first(".xattn-detail").textContent).toContain("read 2.00 in total, by 2 tokens");
  });

  it("pins a token by its entry, keeps the focus, and comes back by Escape", async () => {
    const model = await panel.mount(page([[0, 0, 1, 3]]));
    const [entry] = entries();
    entry?.focus();
    entry?.click();
    expect([model.get("source_index"), model.get("target_index")]).toEqual([2, null]);
    expect(document.activeElement?.textContent).toBe("Unpin");
    await settled();
    expect(first(".xattn-source .xattn-active").textContent).toBe("c");
    press(document.activeElement as Element, "Escape");
    expect(model.get("source_index")).toBeNull();
    expect(document.activeElement).toBe(entries()[0]);
  });

  it("says so where there is nothing to list", async () => {
    const made = page([[0, 0, 1, 3]]);
    const [saved] = made.sentences;
    if (saved && "source" in saved.sentence) {
      saved.sentence.source.special = [true, true, true, true];
      saved.sentence.logprobs = null;
    }
    await panel.mount(made);
    expect(first(".xattn-overall").textContent).toContain("Every source token is special.");
    expect(first(".xattn-overall").textContent).toContain("The probabilities of this target are not known.");
    expect(entries()).toHaveLength(0);
  });
});

describe("several heads", () => {
  const looks = [
    [0, 1, 2, 3],
    [1, 1, 2, 3],
    [2, 1, 2, 3],
  ];
  const picked = { heads: looks.map((_, head) => [0, head] as const), head: 2 } as unknown as Partial<Traits>;
  const strengths = (strip: Element | null | undefined) =>
    [...(strip?.querySelectorAll<HTMLElement>(".xattn-cell") ?? [])].map((cell) =>
      Number(cell.style.getPropertyValue("--xattn-strength")),
    );

  it("give each partner a cell for each head, in the readout and beside the token", async () => {
    await panel.mount(page(looks, picked));
    hover("target", 0);
    const rows = all(".xattn-partner .xattn-strip").slice(0, 3);
    expect(rows.map(strengths)).toEqual([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
    expect(rows[1]?.getAttribute("aria-label")).toBe(
      "layer 0, head 0: 0.00; layer 0, head 1: 1.00; layer 0, head 2: 0.00",
    );
    const tokens = all(".xattn-source .xattn-token");
    expect(tokens.slice(0, 3).map((token) => strengths(token.querySelector(".xattn-strip")))).toEqual([
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ]);
    hover("target", 1);
    expect(all(".xattn-source .xattn-strip")).toHaveLength(1);
    first(".xattn-target").dispatchEvent(new MouseEvent("pointerleave"));
    expect(all(".xattn-source .xattn-strip")).toHaveLength(0);
  });

  it("need no strip where one head is picked", async () => {
    await panel.mount(page(looks, { heads: [[0, 0]] }));
    hover("target", 0);
    expect(all(".xattn-source .xattn-strip")).toHaveLength(0);
    expect(first(".xattn-partner .xattn-strip").hidden).toBe(true);
  });

  it("show the strength of each partner", async () => {
    await panel.mount(page([...looks.slice(0, 2), [1, 1, 2, 3]], picked));
    hover("target", 0);
    const [weak, strong] = all(".xattn-source .xattn-token").map((token) =>
      Number(token.style.getPropertyValue("--xattn-strength")),
    );
    expect([weak?.toFixed(2), strong?.toFixed(2)]).toEqual([
      Math.sqrt(1 / 3).toFixed(2),
      Math.sqrt(2 / 3).toFixed(2),
    ]);
  });
});

describe("tokens", () => {
  it("have their totals and probabilities in their tooltips", async () => {
    const model = await panel.mount(page([[0, 0, 1, 3]]));
    const [source] = all(".xattn-source .xattn-token");
    expect(source?.title).toBe("a\nread 2.00 in total");
    // Their names are their labels; a tooltip is the accessible description.
    expect(source?.hasAttribute("aria-label")).toBe(false);
    expect(all(".xattn-target .xattn-token")[1]?.title).toBe("b\nprobability 0.250");
    model.set("reading", "input");
    await settled();
    expect(all(".xattn-target .xattn-token")[1]?.title).toContain("probability 0.500 (of this token");
    expect(all(".xattn-target .xattn-token")[0]?.title).toBe("a");
  });

  it("have no slider for lines where automatic keeps one line of each row", async () => {
    const labels = [...Array.from({ length: 29 }, (_, i) => `w${i}`), "</s>"];
    const model = await panel.mount(state(labels, { ...FIXED, keep: "auto" }));
    expect(first(".xattn-line-note").textContent).toContain(
      "One line per token: the strongest. Show lines changes this.",
    );
    expect(first(".xattn-threshold").hidden).toBe(true);
    model.set("keep", "threshold");
    await settled();
    expect(first(".xattn-threshold").hidden).toBe(false);
    expect(first(".xattn-line-note").textContent).not.toContain("One line per token");
  });
});
