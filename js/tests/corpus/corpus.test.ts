// The view of a corpus as a reader meets it: ranking, the list and its pages, the search, and the open sentence.
import { describe, expect, it } from "vitest";
import { settled } from "../helpers";
import { mounted } from "../mounted";
import { HOSTILE, type Kernel, kernel, quantity } from "./kernel";

const view = mounted();

async function shown(made: Kernel): Promise<Kernel> {
  view.render(made.model as never);
  await settled();
  return made;
}

const cells = () =>
  view.all(".xattn-sentences tbody tr").map((row) => [...row.children].map((cell) => cell.textContent));
const button = (name: string) => {
  const found = view.all("button").find((entry) => entry.textContent === name);
  if (!found) throw new Error(`no button ${name}`);
  return found;
};
const headButton = (layer: number, head: number) =>
  view.first(`.xattn-spread-head[data-layer="${layer}"][data-head="${head}"]`);

describe("the list", () => {
  it("shows a page of rows, with texts as text", async () => {
    await shown(kernel());
    expect(view.all("img")).toEqual([]);
    expect(cells()).toEqual([
      ["1", "∞", "−2.000", "c d", "x"],
      ["2", "0.500", "−1.000", HOSTILE.replace("\u202e", "⟨U+202E⟩"), "x"],
    ]);
    expect(view.first(".xattn-sentences-foot").textContent).toContain("1–2 of 3 · 1 without a value");
    expect(view.first(".xattn-sentences-foot span").title).toBe("1 source is empty");
  });

  it("turns pages by asking for the next rows alone", async () => {
    const { asked } = await shown(kernel());
    button("Next").click();
    await settled();
    expect(cells()).toEqual([["3", "0", "–", "a b", "x"]]);
    expect(asked.at(-1)).toMatchObject({ kind: "rows", start: 2 });
    expect((button("Next") as HTMLButtonElement).disabled).toBe(true);
    button("Previous").click();
    await settled();
    expect(cells()).toHaveLength(2);
  });

  it("searches, and says when nothing is found", async () => {
    const { traits } = await shown(kernel());
    const input = view.first<HTMLInputElement>("input[type=search]");
    input.value = "nowhere";
    view.press(input, "Enter");
    await settled();
    expect(traits.search).toBe("nowhere");
    expect(cells()).toEqual([]);
    expect(view.first(".xattn-sentences-foot").textContent).toContain("no sentence contains “nowhere”");
    view.press(input, "Escape");
    await settled();
    expect(traits.search).toBe("");
    expect(cells()).toHaveLength(2);
  });

  it("leaves the column of log-probabilities out where they rank the list", async () => {
    await shown(kernel({ score_name: "logprob_sum", lowest_first: true }));
    expect(view.all(".xattn-sentences thead th").map((cell) => cell.textContent)).toEqual([
      "rank",
      "logprob_sum",
      "source",
      "target",
    ]);
  });

  it("keeps what it shows when the kernel is gone, and offers to try again", async () => {
    const made = await shown(kernel());
    made.fail("gone");
    made.tell({ lowest_first: true });
    await settled();
    expect(view.first('.xattn-alert[role="alert"]').textContent).toContain("could not be listed: gone");
    expect(cells()).toHaveLength(2);
    made.fail(null);
    button("Retry").click();
    await settled();
    expect(view.first(".xattn-alert").textContent).toBe("");
  });
});

describe("the ranking", () => {
  it("begins with the worst of another quantity", async () => {
    const { traits, asked } = await shown(kernel());
    const select = view.first<HTMLSelectElement>(".xattn-corpus-controls select");
    expect(
      view.all(".xattn-corpus-controls select:nth-child(2) option").map((entry) => entry.textContent),
    ).toContain("highest first (worst)");
    select.selectedIndex = 1;
    select.dispatchEvent(new Event("change"));
    await settled();
    expect(traits).toMatchObject({ score_name: "logprob_sum", lowest_first: true });
    expect(asked.at(-1)?.query).toEqual({
      score_name: "logprob_sum",
      head: null,
      lowest_first: true,
      search: "",
    });
    expect(view.first(".xattn-spread-grid").hidden).toBe(true);
    expect(view.first(".xattn-spread canvas[role=img]").getAttribute("aria-label")).toContain("median 0.500");
  });

  it("is by a head, a layer or all heads", async () => {
    const { traits } = await shown(kernel());
    headButton(1, 0).click();
    await settled();
    expect(traits.head).toEqual([1, 0]);
    expect(view.first(".xattn-corpus-about").textContent).toContain("Ranked by layer 1, head 0");
    expect(headButton(1, 0).getAttribute("aria-pressed")).toBe("true");
    button("layer 1").click();
    await settled();
    expect(traits.head).toBe(1);
    expect(view.first(".xattn-corpus-about").textContent).toContain("the mean of layer 1");
    button("all heads").click();
    expect(traits.head).toBe(null);
  });

  it("tells the numbers of a head that is pointed at, also of one without values", async () => {
    await shown(kernel());
    const readout = view.first(".xattn-spread .xattn-readout");
    headButton(0, 1).dispatchEvent(new Event("pointerover", { bubbles: true }));
    expect(readout.textContent).toBe(
      "layer 0, head 1: median 0.500, the middle half from 0.250 to 0.750, all from 0 to 1.000 (3 sentences)",
    );
    headButton(1, 1).dispatchEvent(new Event("pointerover", { bubbles: true }));
    expect(readout.textContent).toBe("layer 1, head 1: no sentence has a value");
  });

  it("is walked by arrow keys with one stop for Tab", async () => {
    await shown(kernel());
    const stops = view.all(".xattn-spread-grid button").filter((entry) => entry.tabIndex === 0);
    expect(stops).toEqual([headButton(0, 0)]);
    headButton(0, 0).focus();
    view.press(headButton(0, 0), "ArrowDown");
    expect(document.activeElement).toBe(headButton(1, 0));
    view.press(headButton(1, 0), "ArrowLeft");
    expect(document.activeElement?.textContent).toBe("layer 1");
  });

  it("says why a score cannot be computed for other targets", async () => {
    const made = kernel();
    made.traits.info.quantities[0] = quantity({ why: "no function called my_score is known" });
    await shown(made);
    expect(view.first(".xattn-corpus-about").textContent).toContain("no function called my_score is known");
  });
});

describe("the open sentence", () => {
  it("opens by a click below the list, and stays while the next one is read", async () => {
    const made = await shown(kernel());
    view.first(".xattn-sentences tbody tr").click();
    await settled();
    expect(made.traits.row).toBe(2);
    expect(view.first(".xattn-open-row").textContent).toContain("reading the sentence…");
    made.tell({ _open: { row: 2, panel: "panel", error: "" } });
    await settled();
    expect(view.all('section[aria-label="Cross-attention"]')).toHaveLength(1);
    expect(view.first(".xattn-open-row").textContent).not.toContain("reading");
    // The number it is ranked by, which is not that of the heads picked in its panel.
    expect(view.first(".xattn-open-row").textContent).toContain("Row 2 my_score, the mean of all heads: ∞");
    view.all(".xattn-sentences tbody tr")[1]?.click();
    await settled();
    expect(view.all('section[aria-label="Cross-attention"]')).toHaveLength(1);
    button("Close").click();
    await settled();
    expect(made.traits.row).toBe(null);
    expect(view.all('section[aria-label="Cross-attention"]')).toHaveLength(0);
  });

  it("follows the arrow keys once one is open", async () => {
    const made = await shown(kernel());
    const rows = () => view.all(".xattn-sentences tbody button");
    rows()[0]?.focus();
    view.press(rows()[0] as HTMLElement, "ArrowDown");
    expect(document.activeElement).toBe(rows()[1]);
    await settled();
    await settled();
    expect(made.traits.row).toBe(null);
    rows()[1]?.click();
    await settled();
    view.press(rows()[1] as HTMLElement, "ArrowUp");
    await settled();
    await settled();
    expect(made.traits.row).toBe(2);
  });

  it("shows why it could not be read, and that a host cannot show it", async () => {
    const made = await shown(kernel());
    made.tell({ row: 2, _open: { row: 2, panel: "", error: "ValueError: too long" } });
    await settled();
    expect(view.first(".xattn-open-row").textContent).toContain("could not be read. ValueError: too long");
    made.tell({ row: 1, _open: { row: 1, panel: "unheard", error: "" } });
    await settled();
    expect(view.first(".xattn-open-row [role=alert]").textContent).toContain(
      "show view.opened in a cell of its own",
    );
  });

  it("is looked for in the list when Python opens it", async () => {
    const made = await shown(kernel());
    made.tell({ row: 0, _open: { row: 0, panel: "panel", error: "" } });
    await settled();
    expect(made.asked.filter(({ kind }) => kind === "rows").at(-1)).toMatchObject({ row: 0 });
  });
});

it("takes everything down again", async () => {
  const made = await shown(kernel({ row: 2, _open: { row: 2, panel: "panel", error: "" } }));
  expect(made.listeners()).toBeGreaterThan(0);
  view.close();
  expect(made.listeners()).toBe(0);
  expect(view.host.childElementCount).toBe(0);
});
