// The view of all sentences: its cards, their order, which of them load their weights, and the files it is saved as.
import { beforeEach, describe, expect, it, vi } from "vitest";
import type { SentenceInfo, Traits } from "../../src/core/contract";
import type { ModelCallback } from "../../src/core/model";
import { createStaticModel, type StaticState } from "../../src/page/model";
import { counted, settled } from "../helpers";
import { manySentences, type Value } from "../many";
import { mounted } from "../mounted";

const panel = mounted();
const { first, all, press } = panel;

/** Reports the cards that `isSeen` accepts as in view. */
let isSeen: (entry: number) => boolean = () => true;
class Seeing {
  constructor(private readonly report: (entries: object[]) => void) {}
  observe(target: HTMLElement): void {
    queueMicrotask(() => this.report([{ target, isIntersecting: isSeen(Number(target.dataset.entry)) }]));
  }
  unobserve(): void {}
  disconnect(): void {}
}
beforeEach(() => {
  isSeen = () => true;
  vi.stubGlobal("IntersectionObserver", Seeing);
});

const page = (values: Value[], patch: Partial<Traits> = {}, infos: Partial<SentenceInfo>[] = []) =>
  manySentences(values, { panel: "sentences", ...patch }, infos);
const cards = () => all(".xattn-card");
const entries = () => cards().map((card) => Number(card.dataset.entry));
const scores = () => all(".xattn-card-score").map((score) => score.textContent);
const heading = () => first(".xattn-sentences-heading").textContent;

/** Mounts a page, and notes the requests for layers and how many of other sentences than the shown are open at once. */
async function mountCounting(state: StaticState, answer?: (sentence: number) => object | undefined) {
  const model = counted(createStaticModel(state));
  const { send } = model;
  const asked: number[] = [];
  const open = new Set<string>();
  let [most, hear] = [0, (() => {}) as ModelCallback];
  const on = model.on as (event: string, callback: ModelCallback) => void;
  model.on = (event: string, callback: ModelCallback) => {
    if (event === "msg:custom") hear = callback;
    on(event, callback);
  };
  on("msg:custom", (reply: { id: string }) => void open.delete(reply.id));
  model.send = (request) => {
    if (request.kind === "layer") {
      asked.push(request.sentence);
      if (request.sentence !== model.get("sentence")) open.add(request.id);
      most = Math.max(most, open.size);
      const own = answer?.(request.sentence);
      if (own) {
        queueMicrotask(() => hear({ id: request.id, ...own }, []));
        return;
      }
    }
    send(request);
  };
  panel.render(model);
  await settled();
  return { model, asked, most: () => most };
}

describe("the cards", () => {
  it("show every sentence with its texts and the picked head's score, highest first", async () => {
    await panel.mount(page([2, 5, 3], {}, [{ name: "mine" }]));
    expect([entries(), scores()]).toEqual([
      [1, 2, 0],
      ["5.000", "3.000", "2.000"],
    ]);
    expect(cards()[2]?.textContent?.replace(/\s+/g, " ")).toBe("Sentence 1 mine 2.000 source 0 x y");
    expect(heading()).toBe("layer 0, head 0 · entropy 2.000 to 5.000, mean 3.333 over 3 sentences");
    expect(cards()[2]?.getAttribute("aria-current")).toBe("true");
  });

  it("are ordered as chosen, and follow the picked heads", async () => {
    const model = await panel.mount(page([2, 5, 3]));
    const select = first<HTMLSelectElement>(".xattn-sentences-order select");
    for (const [order, expected] of [
      ["lowest", [0, 2, 1]],
      ["given", [0, 1, 2]],
      ["highest", [1, 2, 0]],
    ] as const) {
      select.value = order;
      select.dispatchEvent(new Event("change"));
      await settled();
      expect([model.get("sentence_order"), entries()]).toEqual([order, expected]);
    }
    model.set("heads", [
      [0, 0],
      [0, 1],
    ]);
    await settled();
    expect(scores()).toEqual(["2.500", "1.500", "1.000"]);
    expect(first(".xattn-sentences").textContent).toContain("The score is the mean of the picked heads.");
  });

  it("draw the head that is pointed at, and stay where they are", async () => {
    const { asked } = await mountCounting(page([2, 5, 3]));
    const before = asked.length;
    const event = new MouseEvent("pointerover", { bubbles: true });
    Object.defineProperty(event, "pointerType", { value: "mouse" });
    first('.xattn-head[data-layer="1"][data-head="0"]').dispatchEvent(event);
    // One card after another.
    await vi.waitFor(() => expect(new Set(asked.slice(before))).toEqual(new Set([0, 1, 2])));
    expect(first(".xattn-heading").textContent).toContain("Preview: layer 1, head 0");
    expect([entries(), scores()]).toEqual([
      [1, 2, 0],
      ["5.000", "3.000", "2.000"],
    ]);
  });

  it("put undefined and failing scores last, with the reason", async () => {
    await panel.mount(page(["needs <b>gradients</b>", 1, null, 4], { sentence_order: "lowest" }));
    expect([entries(), scores()]).toEqual([
      [1, 3, 0, 2],
      ["1.000", "4.000", "–", "–"],
    ]);
    const problems = all(".xattn-card-problem").map((problem) => problem.hidden || problem.textContent);
    expect(problems).toEqual([true, true, "needs <b>gradients</b>", "undefined here"]);
    expect(first(".xattn-cards").querySelector("b")).toBeNull();
  });

  it("say so where no sentence has a score", async () => {
    await panel.mount(page(["no", "no"]));
    expect([heading(), entries()]).toEqual(["layer 0, head 0 · no sentence has a score", [0, 1]]);
  });

  it("stand for the first target of each sentence, and say so", async () => {
    const infos = [{ group: 0 }, { group: 0, name: "edited" }, { group: 1 }];
    await panel.mount(page([1, 9, 2], { sentence: 1 }, infos));
    expect(entries()).toEqual([2, 0]);
    expect(first(".xattn-sentences").textContent).toContain("Of several targets of a sentence, the first is");
    // The sentence whose edit is shown.
    expect(cards()[1]?.getAttribute("aria-current")).toBe("true");
  });

  it("fit the picked heads to models of other shapes", async () => {
    const state = page([1, 1], { heads: [[0, 0]] }, [{}, { layers: 3, model: "Deep" }]);
    const second = state.sentences[1];
    if (second)
      second.scores.entropy = {
        values: [
          [7, 7],
          [7, 7],
          [3, 5],
        ],
        signature: "",
      };
    const model = await panel.mount(state);
    expect(scores()).toEqual(["7.000", "1.000"]);
    // The first model has no layer 2: there the mean of its last layer is drawn.
    model.set("sentence", 1);
    model.set("heads", [[2, 1]]);
    await settled();
    expect(scores()).toEqual(["5.000", "0"]);
  });
});

describe("opening and walking", () => {
  it("opens a sentence in Lines by a click, in one change", async () => {
    const model = await panel.mount(page([2, 5, 3], { target_index: 1 }));
    const { saves } = model;
    cards()[0]?.click();
    expect([
      model.get("panel"),
      model.get("sentence"),
      model.get("target_index"),
      model.saves - saves,
    ]).toEqual(["lines", 1, null, 1]);
    expect(model.get("heads")).toEqual([[0, 0]]);
  });

  it("has one tab stop, and is walked by arrow keys, Home and End", async () => {
    await panel.mount(page([2, 5, 3]));
    expect(cards().map((card) => card.tabIndex)).toEqual([0, -1, -1]);
    cards()[0]?.focus();
    const walk = (key: string) => {
      expect(press(document.activeElement as Element, key).defaultPrevented).toBe(true);
      return Number((document.activeElement as HTMLElement).dataset.entry);
    };
    expect(["ArrowRight", "ArrowDown", "ArrowRight", "ArrowLeft", "Home", "End"].map(walk)).toEqual([
      2, 0, 0, 2, 1, 0,
    ]);
    expect(cards().map((card) => card.tabIndex)).toEqual([-1, -1, 0]);
    expect(press(document.activeElement as Element, "x").defaultPrevented).toBe(false);
  });

  it("keeps the focus on a card that moves", async () => {
    const model = await panel.mount(page([2, 5, 3]));
    cards()[0]?.focus();
    model.set("sentence_order", "lowest");
    await settled();
    expect((document.activeElement as HTMLElement).dataset.entry).toBe("1");
  });
});

describe("the weights", () => {
  it("are asked for only for cards in view, one layer at a time", async () => {
    isSeen = (entry) => entry < 4;
    const { asked, most } = await mountCounting(page([1, 2, 3, 4, 5, 6]));
    // Layer 0 of the shown sentence is loaded for the other views as well.
    expect([new Set(asked), most()]).toEqual([new Set([0, 1, 2, 3]), 1]);
  });

  it("are asked for again for other heads, and not for another order", async () => {
    const { asked, model } = await mountCounting(page([1, 2, 3]));
    const before = asked.length;
    model.set("sentence_order", "lowest");
    await settled();
    expect(asked).toHaveLength(before);
    model.set("heads", [[1, 1]]);
    // One card after another.
    await vi.waitFor(() => expect(new Set(asked.slice(before))).toEqual(new Set([0, 1, 2])));
  });

  it("that are missing are explained on their card", async () => {
    const { asked } = await mountCounting(page([1, 2]), (sentence) =>
      sentence === 1 ? { error: "left out of this page" } : undefined,
    );
    const failures = all(".xattn-card-failure").map((failure) => failure.hidden || failure.textContent);
    expect(failures).toEqual(["left out of this page", true]);
    expect(asked.filter((sentence) => sentence === 1)).toHaveLength(1);
  });
});

describe("many sentences", () => {
  it("are made in batches, and more at a click", async () => {
    isSeen = () => false;
    await panel.mount(page(Array.from({ length: 620 }, (_, i) => i)));
    const more = first(".xattn-cards-scroll > .xattn-button");
    expect([cards().length, entries()[0], more.textContent]).toEqual([
      500,
      619,
      "Show 120 more of 620 sentences",
    ]);
    more.click();
    expect([cards().length, more.hidden, (document.activeElement as HTMLElement).dataset.entry]).toEqual([
      620,
      true,
      "119",
    ]);
  });
});

describe("files", () => {
  it("are a table of all sentences with the scores, and a drawing of the first cards", async () => {
    const saved: Blob[] = [];
    Object.assign(URL, { createObjectURL: (blob: Blob) => saved.push(blob), revokeObjectURL() {} });
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(() => {});
    const infos = [{ source: "=1, 2" }, { name: "mine" }];
    await panel.mount(page([1, 2, "no gradient"], {}, infos));
    for (const format of ["csv", "svg"]) first(`[data-format="${format}"]`).click();
    await settled();
    const [table, drawing] = await Promise.all(saved.map((blob) => blob.text()));
    expect(table?.split("\n")).toEqual([
      "sentence,name,source,target,heads,score,value,problem",
      "1,mine,source 1,x y,L0 H0,entropy,2,",
      '0,,"=1, 2",x y,L0 H0,entropy,1,',
      "2,,source 2,x y,L0 H0,entropy,,no gradient",
      "",
    ]);
    const svg = new DOMParser().parseFromString(drawing ?? "", "image/svg+xml");
    const texts = [...svg.querySelectorAll("text")].map((text) => text.textContent);
    expect(texts[0]).toContain("layer 0, head 0 · entropy · 3 sentences, highest score first");
    expect(texts).toContain("2 mine · 2.000");
    expect(texts.filter((text) => text === "</s>")).toHaveLength(6);
  });
});
