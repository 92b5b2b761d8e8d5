// The order of the panel's parts, what is left out, and how far it is to the first token by keyboard.
import { describe, expect, it } from "vitest";
import type { Head } from "../../src/core/contract";
import { settled } from "../helpers";
import { mounted, TWO } from "../mounted";

const panel = mounted();
const { all, first, press, mountTwo: mount } = panel;

const before = (a: Element, b: Element) =>
  Boolean(a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING);
const fields = () =>
  all(".xattn-options .xattn-field")
    .filter((field) => !field.hidden)
    .map((field) => field.firstElementChild?.textContent);
/** What the Tab key goes to, in order. */
const stops = () =>
  all("button, input, select, textarea, [tabindex]").filter(
    (element) =>
      element.tabIndex >= 0 &&
      element.closest("[hidden]") === null &&
      !(element instanceof HTMLButtonElement && element.disabled) &&
      element.style.visibility !== "hidden",
  );

describe("the order of the parts", () => {
  it("puts the open view before experiments, options and heads", async () => {
    await mount();
    const parts = [".xattn-header", ".xattn-tabbar", ".xattn-view", ".xattn-detail", ".xattn-experiments"];
    const places = [...parts, ".xattn-options", ".xattn-heads"].map((name) => first(name));
    places.slice(1).forEach((place, i) => {
      expect(before(places[i] as Element, place)).toBe(true);
    });
  });

  it("leaves the grid out where the view shows every head, and keeps the score", async () => {
    const model = await mount();
    const root = first(".xattn");
    expect(root.classList.contains("xattn-every-head")).toBe(false);
    model.set("panel", "all");
    await settled();
    expect(root.classList.contains("xattn-every-head")).toBe(true);
    expect(first(".xattn-score select").closest("[hidden]")).toBeNull();
    expect(all(".xattn-multiples-head").map((name) => name.textContent)).toEqual(["", "0", "1"]);
  });
});

describe("options", () => {
  it("are absent where they do not apply", async () => {
    const model = await mount();
    const ofTokens = ["Tokens", "Special tokens", "Name rows by"];
    expect(fields()).toEqual([...ofTokens, "Layout", "Show lines", "Hide weights below"]);
    model.set("panel", "matrix");
    await settled();
    expect(fields()).toEqual(ofTokens);
    model.set("heads", [
      [0, 0],
      [1, 1],
    ]);
    await settled();
    expect(fields()).toEqual([...ofTokens, "Combine heads by"]);
    model.set("panel", "scores");
    await settled();
    expect(first(".xattn-options").hidden).toBe(true);
    expect(all(".xattn-options :disabled")).toEqual([]);
  });

  it("set the values that Python knows by other words", async () => {
    const model = await mount();
    const choose = (label: string, text: string) => {
      const field = all(".xattn-field").find((entry) => entry.firstElementChild?.textContent === label);
      const select = field?.querySelector("select");
      const option = [...(select?.options ?? [])].find((entry) => entry.text === text);
      if (!select || !option) throw new Error(`${label} has no ${text}`);
      select.value = option.value;
      select.dispatchEvent(new Event("change"));
    };
    choose("Name rows by", "token read");
    choose("Tokens", "words");
    choose("Show lines", "strongest");
    expect([model.get("reading"), model.get("words"), model.get("keep")]).toEqual(["input", true, "top"]);
    await settled();
    expect(first(".xattn-side-titles > :last-child").textContent).toBe("Target · word read");
  });
});

describe("the way to the tokens", () => {
  it("takes at most ten stops, with each group in one", async () => {
    const heads: Head[] = [
      [0, 0],
      [0, 1],
      [1, 1],
    ];
    await mount({ info: TWO, heads });
    const order = stops();
    const token = order.findIndex((element) => element.matches(".xattn-token"));
    expect(order[0]).toBe(first(".xattn-skip"));
    expect(token).toBeGreaterThan(0);
    expect(token).toBeLessThan(10);
    const groups = [
      ".xattn-tabs",
      ".xattn-tools-bar",
      ".xattn-chips",
      ".xattn-source",
      ".xattn-heads",
      ".xattn-ranking",
    ];
    for (const group of groups) expect(order.filter((element) => element.closest(group))).toHaveLength(1);
  });

  it("is one step by the skip button, in views of tokens and in others", async () => {
    const model = await mount();
    const skip = first(".xattn-skip");
    expect(skip.textContent).toBe("Skip to the tokens");
    skip.click();
    expect(document.activeElement).toBe(first('.xattn-source .xattn-token[tabindex="0"]'));
    model.set("panel", "matrix");
    await settled();
    skip.click();
    expect(document.activeElement).toBe(first(".xattn-matrix .xattn-plot"));
    model.set("table", true);
    await settled();
    skip.click();
    expect(document.activeElement?.closest(".xattn-table-box")).not.toBeNull();
    model.set("panel", "all");
    await settled();
    expect(skip.textContent).toBe("Skip to the view");
    skip.click();
    expect(document.activeElement).toBe(first('.xattn-multiple[tabindex="0"]'));
  });

  it("does nothing where there is no token", async () => {
    await mount({ info: TWO, special: "drop" }, (page) => {
      for (const { sentence } of page.sentences)
        if ("source" in sentence) sentence.source.special = sentence.source.labels.map(() => true);
    });
    const skip = first(".xattn-skip");
    skip.focus();
    skip.click();
    expect(document.activeElement).toBe(skip);
  });

  it("goes on inside the tools and the ranking by arrow keys", async () => {
    const model = await mount({}, ({ sentences }) => {
      const values = [
        [0.5, 0.25],
        [0.1, 0.75],
      ];
      for (const { scores } of sentences) scores.entropy = { values, signature: "entropy|v:1" };
    });
    const [save, keys] = [first(".xattn-export-toggle"), first(".xattn-keys-toggle")];
    save.focus();
    press(save, "ArrowRight");
    expect([document.activeElement, save.tabIndex, keys.tabIndex]).toEqual([keys, -1, 0]);
    const ranked = all(".xattn-ranked").filter((button) => button.style.visibility !== "hidden");
    // Two of four heads on each side.
    expect(ranked).toHaveLength(4);
    ranked[0]?.focus();
    for (const [key, place] of [
      ["ArrowDown", 1],
      ["ArrowRight", 3],
      ["ArrowUp", 2],
      ["ArrowLeft", 0],
      ["ArrowUp", 0],
      ["End", 3],
      ["Home", 0],
    ] as const) {
      press(document.activeElement as Element, key);
      expect(document.activeElement, key).toBe(ranked[place]);
    }
    press(ranked[0] as Element, "ArrowDown");
    (document.activeElement as HTMLElement).click();
    await settled();
    expect(model.get("heads")).toHaveLength(1);
    // The stop stays where it was.
    expect(ranked.map(({ tabIndex }) => tabIndex)).toEqual([-1, 0, -1, -1]);
  });
});
