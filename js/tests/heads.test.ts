// The heads in a mounted panel: the preview, the heading of the stage, the score's words, and rows as shown.
import { describe, expect, it } from "vitest";
import type { Head, Info, ScoreInfo, Traits } from "../src/core/contract";
import type { Model } from "../src/core/model";
import { createStaticModel, type StaticState } from "../src/page/model";
import { settled, state, traits } from "./helpers";
import { mounted, TWO } from "./mounted";

const panel = mounted();
const { all, first } = panel;
const heading = () =>
  (first(".xattn-heading").textContent ?? "").replace(/special tokens.* dropped, rows renormalized/, "");
const cell = (layer: number, head: number) =>
  first(`.xattn-head[data-layer="${layer}"][data-head="${head}"]`);
const over = (element: Element, pointerType = "mouse") => {
  const event = new MouseEvent("pointerover", { bubbles: true });
  Object.defineProperty(event, "pointerType", { value: pointerType });
  element.dispatchEvent(event);
};
const leave = () => first(".xattn-heads").dispatchEvent(new MouseEvent("pointerleave"));

/** Mounts a panel and keeps what it asks for; `hold` holds replies about layers back until it is called. */
async function mount(patch: Partial<Traits> = {}, hold = false) {
  const inner = createStaticModel(
    state(undefined, { words: false, reading: "output", special: "show", ...patch }),
  );
  const layers: number[] = [];
  const waiting: (() => void)[] = [];
  let holding = false;
  const model: Model = {
    ...inner,
    send(content) {
      const request = content as { kind: string; layer: number };
      if (request.kind === "layer") layers.push(request.layer);
      if (holding && request.kind === "layer") waiting.push(() => inner.send(content));
      else inner.send(content);
    },
  };
  panel.render(model);
  await settled();
  holding = hold;
  const release = async () => {
    for (const send of waiting.splice(0)) send();
    await settled();
  };
  return { model, layers, release };
}

describe("the preview of a head", () => {
  it("draws what is pointed at, says so, and comes back; no trait changes", async () => {
    const { model } = await mount();
    over(cell(0, 1));
    await settled();
    expect(heading()).toBe("Preview: layer 0, head 1, rows named by the token being written");
    expect(model.get("heads")).toEqual([[0, 0]]);
    expect(cell(0, 0).getAttribute("aria-pressed")).toBe("true");
    leave();
    await settled();
    expect(heading()).toBe("Layer 0, head 0, rows named by the token being written");
  });

  it("is kept by a click", async () => {
    const { model } = await mount();
    over(cell(1, 1));
    await settled();
    cell(1, 1).click();
    await settled();
    expect([model.get("heads"), heading()]).toEqual([
      [[1, 1]],
      "Layer 1, head 1, rows named by the token being written",
    ]);
    leave();
    await settled();
    expect(heading()).toContain("Layer 1, head 1");
  });

  it("gives way to several heads once one is added", async () => {
    await mount();
    over(cell(0, 1));
    await settled();
    cell(0, 1).dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey: true }));
    await settled();
    expect(heading()).toBe("Layer 0, 2 heads, each in its color, rows named by the token being written");
    expect(all(".xattn-chip")).toHaveLength(2);
  });

  it("requests nothing for a quick pass, and one layer at a time otherwise", async () => {
    const { layers, release } = await mount({}, true);
    const before = layers.length;
    over(cell(1, 0));
    leave();
    await settled();
    expect(layers.length).toBe(before);
    over(cell(1, 0));
    await settled();
    over(cell(1, 1));
    await settled();
    expect(layers.slice(before)).toEqual([1]);
    expect(heading()).toContain("Layer 0, head 0");
    await release();
    expect(heading()).toContain("Preview: layer 1, head 1");
  });

  it("leaves nothing behind when its layer comes too late", async () => {
    const { release } = await mount({}, true);
    over(cell(1, 0));
    await settled();
    leave();
    await release();
    expect(heading()).toContain("Layer 0, head 0");
  });

  it("comes of the ranking too, but not of a finger, and not where no view shows it", async () => {
    const { model } = await mount();
    over(cell(0, 1), "touch");
    await settled();
    expect(heading()).toContain("Layer 0, head 0");
    over(first(".xattn-ranked"));
    await settled();
    expect(heading()).toContain("Preview: layer 1, head 1");
    first(".xattn-ranking").dispatchEvent(new MouseEvent("pointerleave"));
    model.set("panel", "scores");
    await settled();
    over(cell(0, 1));
    await settled();
    model.set("panel", "lines");
    await settled();
    expect(heading()).toContain("Layer 0, head 0");
  });

  it("enlarges a thumbnail, which a click picks and Enter opens", async () => {
    const { model } = await mount({ panel: "all" });
    const thumbnail = first('.xattn-multiple[data-layer="0"][data-head="1"]');
    expect(first(".xattn-enlarged").hidden).toBe(true);
    over(thumbnail);
    await settled();
    expect(first(".xattn-enlarged").textContent).toBe("layer 0, head 1 · entropy 0.250");
    thumbnail.click();
    expect([model.get("heads"), model.get("panel")]).toEqual([[[0, 1]], "all"]);
    panel.press(thumbnail, "Enter");
    expect(model.get("panel")).toBe("lines");
  });
});

describe("the heading", () => {
  const guess = {
    output: [
      [0.5, 0.6],
      [0.6, 0.6],
    ],
    input: [
      [0.8, 0.6],
      [0.6, 0.6],
    ],
    words: 400,
  };
  const info: Info = { ...traits().info, alignment_guess: guess };

  it("offers the better reading, which a click switches to", async () => {
    const { model } = await mount({ info });
    expect(first(".xattn-reading-hint").textContent).toContain(
      "Reads better with rows named by the token just read.",
    );
    first(".xattn-reading-hint button").click();
    await settled();
    expect(model.get("reading")).toBe("input");
    expect(first(".xattn-reading-hint").hidden).toBe(true);
    expect(heading()).toBe("Layer 0, head 0, rows named by the token just read");
    model.set("heads", [[1, 0]]);
    await settled();
    expect(first(".xattn-reading-hint").hidden).toBe(true);
  });

  it("draws heads as one or apart, as the option says", async () => {
    const heads: Head[] = [
      [0, 0],
      [1, 1],
    ];
    const { model } = await mount({ heads, combined: true });
    const select = (all(".xattn-options select") as HTMLSelectElement[]).find(
      ({ parentElement }) => parentElement?.firstElementChild?.textContent === "Combine heads by",
    );
    expect(heading()).toBe("Mean of 2 heads (L0 H0, L1 H1), rows named by the token being written");
    expect([select?.value, all(".xattn-chip").length]).toEqual(["mean", 0]);
    if (select) select.value = "none";
    select?.dispatchEvent(new Event("change"));
    await settled();
    expect(model.get("combined")).toBe(false);
    expect(heading()).toBe("2 heads, each in its color, rows named by the token being written");
    expect(all(".xattn-chip")).toHaveLength(2);
    // A whole layer is shown by its mean; a head that is added is to be told apart.
    first(".xattn-row-label").click();
    await settled();
    expect([model.get("combined"), model.get("heads")]).toEqual([
      true,
      [
        [0, 0],
        [0, 1],
      ],
    ]);
    const added = first('.xattn-head[data-layer="1"][data-head="0"]');
    added.dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey: true }));
    await settled();
    expect([model.get("combined"), model.get("heads")]).toEqual([
      false,
      [
        [0, 0],
        [0, 1],
        [1, 0],
      ],
    ]);
  });

  it("combines heads in the matrix, and says which sentence it is and what is muted", async () => {
    const effect = {
      base: 0,
      forced: 1,
      written: 0,
      before_logprob: null,
      forced_logprob: null,
      written_logprob: null,
      written_text: "",
      same: false,
    };
    await panel.mountTwo({
      info: TWO,
      sentence: 1,
      heads: [
        [0, 0],
        [1, 1],
      ],
      aggregate: "max",
      panel: "matrix",
      words: true,
      reading: "output",
      muted: [[1, 0]],
      live: { why: "", busy: "", error: "", effect },
    });
    expect(heading()).toBe(
      "Maximum of 2 heads (L0 H0, L1 H1), rows named by the word being written · layer 1, head 0 muted · sentence\u00a02\u00a0of\u00a02",
    );
  });
});

describe("the score", () => {
  const list = [
    {
      name: "entropy",
      direction: "lower" as const,
      description: "How <b>scattered</b>.",
      signature: "entropy|v:1",
      special: "keep" as const,
      follows_view: true,
    },
  ];
  const flat = {
    values: [
      [0.5, 0.5 + 1e-9],
      [0.5, 0.5],
    ],
    signature: "entropy|special:renormalize",
  };
  const open = (patch: Partial<Traits>, change: (page: StaticState) => void = () => {}) => {
    const page = state(undefined, { score_list: list, words: false, reading: "output", ...patch });
    const [saved] = page.sentences;
    if (saved) saved.as_shown = { drop: { output: { entropy: flat } } };
    change(page);
    return panel.mount(page);
  };

  it("has its meaning as text, its direction, and its signature behind a button", async () => {
    await open({ special: "show" });
    expect(first(".xattn-meaning").textContent).toBe("How <b>scattered</b>.");
    expect(first(".xattn-direction").textContent).toContain("Lower is better · 1 undefined");
    expect(first(".xattn-copy-signature").title).toContain("entropy|v:1");
    expect(first(".xattn-scored-rows").hidden).toBe(true);
  });

  it("counts dropped tokens, says so, and is switched to the rows as shown", async () => {
    const model = await open({ special: "drop" });
    expect(first(".xattn-scored-rows").textContent).toContain("but this score counts them");
    first(".xattn-scored-rows button").click();
    await settled();
    expect(model.get("as_shown")).toBe(true);
    expect(first(".xattn-copy-signature").title).toContain("special:renormalize");
    expect(first(".xattn-flat").textContent).toBe("All heads are equal: 0.500");
    expect(cell(0, 0).title).toBe("layer 0, head 0, entropy 0.500, all heads are equal");
    model.set("special", "fade");
    await settled();
    expect(first(".xattn-copy-signature").title).toContain("entropy|v:1");
    expect(first(".xattn-scored-rows").hidden).toBe(true);
  });

  it("counts punctuation that the view drops, unless it leaves it out or is switched", async () => {
    const both = { ...flat, signature: "entropy|special:renormalize_punctuation" };
    const model = await open({ special: "drop_punctuation" }, ({ sentences: [saved] }) => {
      if (saved) saved.as_shown = { drop_punctuation: { output: { entropy: both } } };
    });
    const said = () => first(".xattn-scored-rows").textContent;
    expect(said()).toContain("The view drops special tokens and punctuation, but this score counts them.");
    first(".xattn-scored-rows button").click();
    await settled();
    expect(said()).toContain("Count special tokens and punctuation too");
    expect(first(".xattn-copy-signature").title).toContain("special:renormalize_punctuation");
    const own = { ...list[0], special: "drop" as const, follows_view: false } as ScoreInfo;
    model.set("score_list", [own]);
    await settled();
    expect(said()).toContain("The view drops punctuation, but this score counts it.");
    model.set("score_list", [{ ...own, punctuation: true }]);
    await settled();
    expect(first(".xattn-scored-rows").hidden).toBe(true);
  });

  it("is not offered for rows that a page does not have, and keeps a policy of its own", async () => {
    const page = { ...TWO, sentences: TWO.sentences.map((each) => ({ ...each, scored_readings: {} })) };
    await open({ special: "drop", as_shown: true, info: page });
    expect(first(".xattn-scored-rows").textContent).toContain("this page has no other values");
    expect(first(".xattn-scored-rows button").hidden).toBe(true);
    panel.close();
    const own = list.map((score) => ({ ...score, special: "drop" as const, follows_view: false }));
    await open({ special: "drop", as_shown: true, score_list: own });
    expect(first(".xattn-scored-rows").hidden).toBe(true);
    expect(first(".xattn-copy-signature").title).toContain("entropy|v:1");
  });
});
