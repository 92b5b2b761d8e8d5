// The tokens of one side: what stands beside a token that the vocabulary does not know.
import { describe, expect, it, vi } from "vitest";
import type { Axis } from "../../src/core/contract";
import { makeUnits } from "../../src/core/units";
import { uniformSlots } from "../../src/lines/geometry";
import { createTokenList } from "../../src/lines/tokens";
import { axis } from "../helpers";

function listed(shown: Axis, words: boolean): HTMLElement[] {
  const events = { hover: vi.fn(), focus: vi.fn(), click: vi.fn(), move: vi.fn() };
  const list = createTokenList("target", events, new AbortController().signal);
  const units = makeUnits(shown, { words, drop: "nothing" });
  list.show(units, uniformSlots(units.labels.length, 20), "columns", false, false);
  return [...list.element.querySelectorAll<HTMLElement>(".xattn-token")];
}

describe("an unknown token", () => {
  const hostile = "<img src=x onerror=alert(1)>";
  const unknown = { ...axis(["the", "<unk>"], [], [0, 1], ["the", hostile]), texts: [null, hostile] };

  it("shows its text beside it and in the tooltip, as text", () => {
    const [known, token] = listed(unknown, false);
    expect(known?.querySelector(".xattn-aside")).toBeNull();
    expect(token?.firstElementChild?.textContent).toBe("<unk>");
    expect(token?.querySelector(".xattn-aside")?.textContent).toBe(hostile);
    expect(token?.querySelector("img")).toBeNull();
    expect(token?.title).toBe(`<unk> (${hostile})`);
    expect(token?.getAttribute("aria-label")).toBe(`<unk>, ${hostile}`);
  });

  it("stands beside its word", () => {
    const [, word] = listed(unknown, true);
    expect(word?.firstElementChild?.textContent).toBe(hostile);
    expect(word?.querySelector(".xattn-aside")?.textContent).toBe("<unk>");
  });
});
