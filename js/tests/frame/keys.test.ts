// The list of keys, and what closes it and the menu of formats.
import { describe, expect, it } from "vitest";
import { mounted } from "../mounted";

const panel = mounted();
const { all, first, press, mountTwo: mount } = panel;

const list = () => first(".xattn-keys");
const toggle = () => first(".xattn-keys-toggle");

describe("the list of keys", () => {
  it("opens by ? and gives the focus back when it closes", async () => {
    await mount();
    const token = all(".xattn-token")[1] as HTMLElement;
    token.focus();
    expect(press(token, "?").defaultPrevented).toBe(true);
    expect([list().hidden, document.activeElement]).toEqual([false, list()]);
    expect([list().getAttribute("role"), toggle().getAttribute("aria-expanded")]).toEqual(["dialog", "true"]);
    expect(list().textContent).toContain("Pin the token");
    press(list(), "Escape");
    expect([list().hidden, document.activeElement]).toEqual([true, token]);
    press(token, "?");
    press(list(), "?");
    expect([list().hidden, document.activeElement]).toEqual([true, token]);
  });

  it("opens by its button, and closes when it is left", async () => {
    await mount();
    toggle().click();
    expect([list().hidden, document.activeElement]).toEqual([false, list()]);
    press(list(), "Escape");
    expect(document.activeElement).toBe(toggle());
    toggle().click();
    (all(".xattn-token")[0] as HTMLElement).focus();
    expect(list().hidden).toBe(true);
    toggle().click();
    list().dispatchEvent(new MouseEvent("pointerdown", { bubbles: true }));
    expect(list().hidden).toBe(false);
    first(".xattn-view").dispatchEvent(new MouseEvent("pointerdown", { bubbles: true }));
    expect([list().hidden, toggle().getAttribute("aria-expanded")]).toEqual([true, "false"]);
  });

  it("leaves a question mark to those who type one", async () => {
    await mount();
    const search = first(".xattn-search");
    search.focus();
    expect(press(search, "?").defaultPrevented).toBe(false);
    expect(list().hidden).toBe(true);
    // A slider takes no text.
    press(first(".xattn-threshold input"), "?");
    expect(list().hidden).toBe(false);
  });
});

describe("the menu of formats", () => {
  it("names each format once and closes by Escape", async () => {
    await mount();
    const button = first(".xattn-export-toggle");
    button.focus();
    button.click();
    expect(all(".xattn-export-list button").map((format) => format.textContent)).toEqual([
      "PNG",
      "SVG",
      "CSV",
      "CSV for a spreadsheet",
      "JSON",
      "Pharaoh alignment",
    ]);
    const format = first(".xattn-export-list button");
    format.focus();
    press(format, "Escape");
    expect([first(".xattn-export-list").hidden, document.activeElement]).toEqual([true, button]);
  });
});
