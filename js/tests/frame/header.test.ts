// The header: the sentences, each with its targets, how to go from one to the next, and the height that is kept.
import { describe, expect, it } from "vitest";
import type { SentenceInfo, Traits } from "../../src/core/contract";
import { createFinder } from "../../src/frame/sentence_search";
import { sentenceInfo, settled } from "../helpers";
import { manySentences } from "../many";
import { mounted } from "../mounted";

const panel = mounted();
const { first, all, press } = panel;
const mount = (infos: Partial<SentenceInfo>[], patch: Partial<Traits> = {}) =>
  panel.mount(
    manySentences(
      infos.map((_, i) => i + 1),
      patch,
      infos,
    ),
  );
const list = () => first<HTMLSelectElement>(".xattn-sentence select");
const targets = () => first<HTMLSelectElement>(".xattn-target-picker select");
const texts = (select: HTMLSelectElement) => [...select.options].map((option) => option.textContent);
const count = () => first(".xattn-sentence .xattn-count").textContent;
const step = (name: string) => first(`.xattn-step[aria-label="${name}"]`);

/** Two hypotheses of a named sentence, a sentence, and an edit of the first. */
const BEAMS: Partial<SentenceInfo>[] = [
  { name: "mine", source: "s", target: "x (1 of 2)", group: 0, logprob: -1.5 },
  { name: "mine", source: "s", target: "y (2 of 2)", group: 0, logprob: null },
  { source: "u", target: "z", group: 1 },
  { name: "edited", source: "s", target: "w", group: 0, logprob: -2 },
];

describe("the sentences", () => {
  it("are listed once each, and their targets beside them", async () => {
    const model = await mount(BEAMS);
    expect([texts(list()), count()]).toEqual([["1. mine: s → x (1 of 2)", "2. u → z"], "1 of 2"]);
    expect(texts(targets())).toEqual([
      "x (1 of 2) (log-prob −1.500)",
      "y (2 of 2)",
      "edited: w (log-prob −2.000)",
    ]);
    targets().value = "3";
    targets().dispatchEvent(new Event("change"));
    await settled();
    expect([model.get("sentence"), list().selectedIndex, count()]).toEqual([3, 0, "1 of 2"]);
    expect(first(".xattn-target-picker .xattn-count").textContent).toBe("3 of 3");
    list().selectedIndex = 1;
    list().dispatchEvent(new Event("change"));
    await settled();
    expect([model.get("sentence"), first(".xattn-target-picker").hidden, count()]).toEqual([
      2,
      true,
      "2 of 2",
    ]);
  });

  it("are not listed where there is only one, even with several targets", async () => {
    await mount(BEAMS.slice(0, 2));
    expect([first(".xattn-sentence").hidden, texts(targets()).length]).toEqual([true, 2]);
    panel.close();
    await mount([{}]);
    expect([first(".xattn-sentence").hidden, first(".xattn-target-picker").hidden]).toEqual([true, true]);
  });

  it("come with their models where there are several", async () => {
    await mount([{ model: "A" }, { model: "B" }]);
    expect(texts(list())).toEqual(["1. source 0 → x y · A", "2. source 1 → x y · B"]);
  });

  it("leave out the model of contributions, which are among the targets", async () => {
    const alti = { name: "ALTI+", model: "contributions in A", layers: 2, heads: 1 };
    await mount([
      { model: "A", group: 0 },
      { ...alti, target: "x y", group: 0 },
      { model: "A", group: 1 },
    ]);
    expect(texts(list())).toEqual(["1. source 0 → x y", "2. source 2 → x y"]);
    expect(texts(targets())).toEqual(["x y", "ALTI+: x y"]);
  });

  it("are stepped through by buttons that stop at the ends", async () => {
    const model = await mount(BEAMS, { sentence: 3 });
    expect(step("Previous").getAttribute("aria-disabled")).toBe("true");
    step("Previous").click();
    expect(model.get("sentence")).toBe(3);
    step("Next").click();
    expect(model.get("sentence")).toBe(2);
    await settled();
    expect(step("Next").getAttribute("aria-disabled")).toBe("true");
    expect(all("[aria-live]").some((region) => region.textContent === "Sentence 2 of 2: u")).toBe(true);
    step("Previous").click();
    expect(model.get("sentence")).toBe(0);
  });

  it("are stepped through by keys anywhere in the panel, but not while typing", async () => {
    const model = await mount([{}, {}, {}]);
    const token = first(".xattn-target .xattn-token");
    expect(press(token, "]").defaultPrevented).toBe(true);
    expect(model.get("sentence")).toBe(1);
    // By its place on a keyboard that has another character there.
    press(first(".xattn-head"), "+", { code: "BracketRight" });
    expect(model.get("sentence")).toBe(2);
    press(first(".xattn-head"), "[", { code: "Digit8", ctrlKey: true, altKey: true });
    expect(model.get("sentence")).toBe(1);
    press(first(".xattn-head"), "z", { code: "BracketLeft", ctrlKey: true });
    for (const field of [first(".xattn-search"), list()]) press(field, "[");
    expect(model.get("sentence")).toBe(1);
    press(first('input[type="range"]'), "[");
    expect(model.get("sentence")).toBe(0);
  });

  it("keep the focus among the tokens from one to the next", async () => {
    await mount([{}, {}]);
    const token = all(".xattn-target .xattn-token")[1] as HTMLElement;
    token.focus();
    press(token, "]");
    await settled();
    const { activeElement } = document;
    expect([activeElement === token, activeElement?.closest(".xattn-target") !== null]).toEqual([
      false,
      true,
    ]);
  });
});

describe("many sentences", () => {
  const many = Array.from({ length: 150 }, (_, i) => ({ source: i === 41 ? "Ein Stück <b>" : `s${i}` }));
  const field = () => first<HTMLInputElement>('[role="combobox"]');
  const options = () => all('.xattn-sentence-search [role="option"]').map((option) => option.textContent);
  const type = (text: string) => {
    field().value = text;
    field().dispatchEvent(new Event("input", { bubbles: true }));
  };

  it("are searched by number or text in place of a list", async () => {
    const model = await mount(many, { sentence: 2 });
    expect([all(".xattn-sentence select"), field().value, count()]).toEqual([[], "3. s2 → x y", "3 of 150"]);
    type("stuck");
    // Hostile text stays text.
    expect([options(), all(".xattn-sentence-search b").length]).toEqual([["42. Ein Stück <b> → x y"], 0]);
    expect(press(field(), "Enter").defaultPrevented).toBe(true);
    expect([model.get("sentence"), field().value, field().getAttribute("aria-expanded")]).toEqual([
      41,
      "42. Ein Stück <b> → x y",
      "false",
    ]);
  });

  it("are listed around the shown one before anything is typed, and walked by arrow keys", async () => {
    const model = await mount(many, { sentence: 149 });
    press(field(), "ArrowDown");
    expect(options()).toHaveLength(12);
    expect(options().at(-1)).toBe("150. s149 → x y");
    press(field(), "ArrowUp");
    const chosen = first(`[id="${field().getAttribute("aria-activedescendant")}"]`);
    expect([chosen.textContent, chosen.getAttribute("aria-selected")]).toEqual(["149. s148 → x y", "true"]);
    press(field(), "Escape");
    expect([field().value, model.get("sentence")]).toEqual(["150. s149 → x y", 149]);
    press(field(), "ArrowDown");
    first('[role="option"][data-place="140"]').dispatchEvent(
      new Event("pointerdown", { bubbles: true, cancelable: true }),
    );
    expect(model.get("sentence")).toBe(140);
  });

  it("says when none or too many match", async () => {
    await mount(many);
    const more = () => first(".xattn-sentence-more");
    type("nowhere");
    expect([options(), more().textContent, more().hidden]).toEqual([[], "No sentence matches.", false]);
    press(field(), "Enter");
    type("x");
    expect([options().length, more().textContent]).toEqual([12, "150 match; type more."]);
  });

  it("are found by the beginning of their number, the exact one first", () => {
    const find = createFinder(
      Array.from({ length: 30 }, (_, i) => sentenceInfo({ group: i, name: `n${i}` })),
    );
    expect(find("2").slice(0, 3)).toEqual([1, 2, 12]);
    expect(find("n7")).toEqual([7]);
    expect(find("zzz")).toEqual([]);
  });
});

describe("the height of the stage", () => {
  const lengths = (positions: number, words: number) => {
    const length = { positions, words, special: 1, punctuation: 3, punctuation_words: 2 };
    return { lengths: { source: length, target: { ...length, positions: positions - 1 } } };
  };
  const most = (name: string) => first(".xattn-view").style.getPropertyValue(`--xattn-most-${name}`);

  it("is kept for the longest entry, as it is shown, before it is loaded", async () => {
    const model = await mount([lengths(5, 4), lengths(30, 20), {}]);
    expect([most("units"), most("targets")]).toEqual(["30", "29"]);
    model.set("words", true);
    model.set("special", "drop");
    await settled();
    expect([most("units"), most("targets")]).toEqual(["19", "19"]);
    model.set("special", "drop_punctuation");
    await settled();
    expect([most("units"), most("targets")]).toEqual(["17", "17"]);
  });

  it("is not kept for a single sentence", async () => {
    await mount([lengths(30, 20)]);
    expect([most("units"), most("targets")]).toEqual(["0", "0"]);
  });
});
