// The scores in a mounted panel.
import { describe, expect, it } from "vitest";
import type { Traits } from "../../src/core/contract";
import type { StaticState } from "../../src/page/model";
import { settled } from "../helpers";
import { mounted } from "../mounted";

const panel = mounted();
const { all, first, press, mountTwo: mount } = panel;

describe("scores", () => {
  const list = [
    { name: "entropy", direction: "lower", description: "", signature: "entropy|v:1" },
    { name: "peak", direction: "higher", description: "", signature: "peak|v:1" },
  ] as Traits["score_list"];
  const peak = {
    values: [
      [1, 2],
      [3, 4],
    ],
    signature: "peak|v:1",
  };
  const withPeak = (page: StaticState) => {
    if (page.sentences[0]) page.sentences[0].scores.peak = peak;
  };
  const open = (patch: Partial<Traits> = {}) =>
    mount({ panel: "scores", score_list: list, ...patch }, withPeak);
  const names = () => all(".xattn-score-row button").map((button) => button.textContent);

  it("lists every head highest first and sorts by another score or the other way round", async () => {
    const model = await open();
    expect(names()).toEqual(["L1 H1", "L0 H0", "L0 H1", "L1 H0"]);
    all(".xattn-column-name button")[0]?.click();
    // A head without a value comes last either way.
    expect(names()).toEqual(["L0 H1", "L0 H0", "L1 H1", "L1 H0"]);
    expect(all('[aria-sort="ascending"]').map((cell) => cell.textContent)).toEqual(["entropy ↑"]);
    all(".xattn-column-name button")[1]?.click();
    expect(model.get("score_name")).toBe("peak");
    await settled();
    expect(names()).toEqual(["L1 H1", "L1 H0", "L0 H1", "L0 H0"]);
    expect(all('[aria-sort="descending"]').map((cell) => cell.textContent)).toEqual(["peak ↓"]);
  });

  it("picks a head by a row, by a dot, and walks both by keys", async () => {
    const model = await open();
    all(".xattn-score-row")[2]?.click();
    expect(model.get("heads")).toEqual([[0, 1]]);
    await settled();
    expect(first(".xattn-picked-row button").textContent).toBe("L0 H1");
    const button = all(".xattn-score-row button")[0] as HTMLElement;
    button.focus();
    press(button, "ArrowDown");
    expect((document.activeElement as HTMLElement).textContent).toBe("L0 H0");
    // A head without one of the scores has no dot.
    const dots = all(".xattn-dot-mark");
    expect(dots.map((dot) => dot.dataset.head).sort()).toEqual(["0,0", "0,1", "1,1"]);
    const dot = dots.find((each) => each.dataset.head === "0,0") as HTMLElement;
    dot.focus();
    press(dot, "ArrowRight");
    expect((document.activeElement as HTMLElement).dataset.head).toBe("1,1");
    press(document.activeElement as Element, "Enter");
    expect(model.get("heads")).toEqual([[1, 1]]);
  });

  it("shows the others where one fails, and says why it did", async () => {
    await mount({ panel: "scores", score_list: list }, (page) => {
      withPeak(page);
      if (page.sentences[0]) page.sentences[0].scores.entropy = { error: "ZeroDivisionError: <b>" };
    });
    expect(names()).toEqual(["L0 H0", "L0 H1", "L1 H0", "L1 H1"]);
    const cells = [...(all(".xattn-score-row")[0]?.children ?? [])].map((cell) => cell.textContent);
    expect(cells).toEqual(["–", "L0 H0", "failed", "1.000"]);
    expect(first(".xattn-own-score").textContent).toBe("could not be computed: ZeroDivisionError: <b>");
    expect(first(".xattn-scatter .xattn-readout").textContent).toBe("entropy could not be computed");
    expect(first(".xattn-alert").textContent).toContain("ZeroDivisionError: <b>");
  });

  it("sets another score against the first by its picker", async () => {
    const model = await open({ second_score: "entropy" });
    const select = first(".xattn-scatter select") as HTMLSelectElement;
    expect(select.value).toBe("entropy");
    select.value = "peak";
    select.dispatchEvent(new Event("change"));
    expect(model.get("second_score")).toBe("peak");
  });

  it("keeps the others where one fails", async () => {
    await mount({ panel: "scores", score_list: list });
    expect(names()).toHaveLength(4);
    expect(first('[role="alert"]').textContent).toContain('"peak"');
  });
});
