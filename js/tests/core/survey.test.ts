// The grid over all sentences: its values, its progress, and what it leaves out.
import { describe, expect, it } from "vitest";
import { createStaticModel } from "../../src/page/model";
import { counted, settled } from "../helpers";
import { manySentences } from "../many";
import { mounted } from "../mounted";

const panel = mounted();
const { first, all } = panel;
const head = () => first(".xattn-head").getAttribute("aria-label");
const choice = (over: string) => first<HTMLButtonElement>(`[data-over="${over}"]`);
const note = () => first(".xattn-over > .xattn-small").textContent;

describe("the grid over sentences", () => {
  it("shows one sentence, the mean and the spread, and says which", async () => {
    const model = await panel.mount(manySentences([1, 2, 6]));
    expect([head(), note()]).toEqual([expect.stringContaining("entropy 1.000"), ""]);
    choice("mean").click();
    await settled();
    expect(model.get("over")).toBe("mean");
    expect([head(), note()]).toEqual([expect.stringContaining("mean entropy 3.000"), "mean of 3 sentences"]);
    expect(choice("mean").textContent).toBe("mean of 3");
    // The layer means and the ranking follow.
    expect(first(".xattn-layer .xattn-number").textContent).toBe("1.500");
    expect(first(".xattn-ranking").textContent).toContain("3.000");
    choice("spread").click();
    await settled();
    expect(head()).toContain("spread of entropy 2.646");
    expect(note()).toBe("standard deviation of 3 sentences");
  });

  it("is chosen by arrow keys at one tab stop", async () => {
    const model = await panel.mount(manySentences([1, 2]));
    const radios = all('[role="radio"]').filter((radio) => radio.matches("[data-over]"));
    expect(radios.map((radio) => [radio.getAttribute("aria-checked"), radio.tabIndex])).toEqual([
      ["true", 0],
      ["false", -1],
      ["false", -1],
    ]);
    choice("sentence").focus();
    panel.press(choice("sentence"), "ArrowLeft");
    expect([model.get("over"), document.activeElement]).toEqual(["spread", choice("spread")]);
  });

  it("leaves out sentences without the score, and counts them", async () => {
    await panel.mount(manySentences([1, null, "no gradient", 4], { over: "mean" }));
    expect(head()).toContain("mean entropy 2.500");
    expect(note()).toBe("mean of 3 sentences; 1 have no score");
  });

  it("says why where no sentence has the score", async () => {
    await panel.mount(manySentences(["no gradient", "no gradient"], { over: "mean" }));
    expect(first(".xattn-score").textContent).toContain("no sentence has this score: no gradient");
  });

  it("is taken over the sentences of the shown model, each once", async () => {
    const infos = [{}, { group: 0 }, {}, { model: "Other" }];
    const model = await panel.mount(manySentences([1, 100, 3, 50], { over: "mean" }, infos));
    expect([head(), choice("mean").textContent]).toEqual([
      expect.stringContaining("mean entropy 2.000"),
      "mean of 2",
    ]);
    // The other model has one sentence: there is nothing to take a mean over.
    model.set("sentence", 3);
    await settled();
    expect([first(".xattn-over").hidden, head()]).toEqual([true, expect.stringContaining("entropy 50.00")]);
  });

  it("is not offered for one sentence, and asks for no other scores until it is chosen", async () => {
    await panel.mount(manySentences([1], { over: "mean" }));
    expect([first(".xattn-over").hidden, head()]).toEqual([true, expect.stringContaining("entropy 1.000")]);
    panel.close();
    const { asked } = await mountCounting();
    expect(asked).toEqual([0]);
    choice("mean").click();
    await settled();
    expect(asked).toEqual([0, 1, 2]);
    // Known scores are not asked for again.
    choice("sentence").click();
    choice("spread").click();
    await settled();
    expect(asked).toEqual([0, 1, 2]);
  });

  it("asks for one sentence at a time", async () => {
    const { most } = await mountCounting({ over: "mean" });
    expect(most()).toBe(1);
  });

  it("follows a score that was defined anew", async () => {
    const page = manySentences([1, 3], { over: "mean" });
    const model = await panel.mount(page);
    for (const sentence of page.sentences) {
      const { entropy } = sentence.scores;
      if (entropy && "values" in entropy)
        sentence.scores.entropy = { ...entropy, values: entropy.values.map((row) => row.map(() => 8)) };
    }
    model.set("score_list", [...model.get("score_list")]);
    await settled();
    expect(head()).toContain("mean entropy 8.000");
  });
});

/** Mounts three sentences, and notes for which of them scores are asked and how many at once. */
async function mountCounting(patch = {}) {
  const model = counted(createStaticModel(manySentences([1, 2, 3], patch)));
  const { send } = model;
  const asked: number[] = [];
  const open = new Set<string>();
  let most = 0;
  model.on("msg:custom", (reply: { id: string }) => void open.delete(reply.id));
  model.send = (request) => {
    if (request.kind === "scores") {
      asked.push(request.sentence);
      open.add(request.id);
      most = Math.max(most, open.size);
    }
    send(request);
  };
  panel.render(model);
  await settled();
  return { asked, most: () => most };
}
