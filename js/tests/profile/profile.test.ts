// The view of a profile as a reader meets it: roles, scores, the picked head, agreement, and profiles with little in them.
import { describe, expect, it } from "vitest";
import { mountAll } from "../../src/page/page";
import { createProfileModel, type SavedProfile } from "../../src/page/profile_model";
import { settled } from "../helpers";
import { mounted } from "../mounted";
import { HOSTILE, savedProfile } from "./saved";

const view = mounted();

async function shown(change: (saved: SavedProfile) => void = () => {}) {
  const saved = savedProfile();
  change(saved);
  const model = createProfileModel(saved);
  model.set("_app", "profile");
  view.render(model);
  await settled();
  return model;
}

const head = (layer: number, index: number) =>
  view.first(`.xattn-head[data-layer="${layer}"][data-head="${index}"]`);
const card = () => view.first(".xattn-head-card");

describe("the grid", () => {
  it("shows roles by color and letter, with a legend that counts them", async () => {
    await shown();
    expect(view.all(".xattn-letter").map((letter) => letter.textContent)).toEqual(["E", "O"]);
    expect(head(0, 0).getAttribute("aria-label")).toBe("layer 0, head 0, end of sentence");
    expect(head(0, 1).getAttribute("aria-label")).toBe("layer 0, head 1, mixed");
    expect(head(1, 1).getAttribute("aria-label")).toBe("layer 1, head 1, aligner (output), in the best set");
    expect(head(1, 1).classList.contains("xattn-marked-best")).toBe(true);
    expect(view.all(".xattn-role-legend li").map((entry) => entry.textContent)).toEqual([
      "Eend of sentence 1",
      "Oaligner (output) 1",
      "mixed 2",
    ]);
    expect(view.first(".xattn-best-set").textContent).toBe(
      "Best set for alignment: L1 H1 (output) · predicted without gold, .750 of 1",
    );
  });

  it("shows a statistic of a score, with its range, and heads without a value", async () => {
    const model = await shown();
    const [score, statistic] = view.all("select") as HTMLSelectElement[];
    if (!score || !statistic) throw new Error("no controls");
    score.selectedIndex = 1;
    score.dispatchEvent(new Event("change"));
    statistic.selectedIndex = 2;
    statistic.dispatchEvent(new Event("change"));
    await settled();
    expect([model.get("score_name"), model.get("statistic")]).toEqual(["entropy", 0.5]);
    expect(view.first(".xattn-profile-legend .xattn-legend").textContent).toBe("0.2000.400");
    expect(head(0, 0).getAttribute("aria-label")).toContain("entropy, median, 0.200, rank 1 of 3");
    expect(head(0, 1).getAttribute("aria-label")).toContain("undefined");
    expect(view.first(".xattn-corpus-about").textContent).toContain("Lower is better");
  });

  it("picks by a click and by arrow keys, with one stop for Tab", async () => {
    const model = await shown();
    head(0, 1).click();
    expect(model.get("head")).toEqual([0, 1]);
    head(0, 1).focus();
    view.press(head(0, 1), "ArrowDown");
    expect(model.get("head")).toEqual([1, 1]);
    expect(document.activeElement).toBe(head(1, 1));
    view.press(head(1, 1), "ArrowLeft");
    view.press(head(1, 0), "ArrowLeft");
    expect(model.get("head")).toEqual([1, 0]);
    await settled();
    expect(head(1, 0).getAttribute("aria-pressed")).toBe("true");
    expect(view.all(".xattn-head").filter((button) => button.tabIndex === 0)).toEqual([head(1, 0)]);
  });
});

describe("the picked head", () => {
  it("has its role in words with the share of rows", async () => {
    const model = await shown();
    expect(card().textContent).toContain("Layer 1, head 1");
    expect(card().textContent).toContain("60% of its rows follow the rule.");
    expect(card().textContent).toContain("In the best set for alignment, by the token written.");
    model.set("head", [0, 1]);
    await settled();
    expect(card().textContent).toContain(
      "No rule is followed by enough rows. Nearest: end of sentence, 20% of its rows (50% needed).",
    );
  });

  it("has the statistics of each score, and a click on one colors the grid", async () => {
    const model = await shown();
    const cells = [...view.first(".xattn-head-card-table tbody tr").children];
    expect(cells.slice(0, 3).map((cell) => cell.textContent)).toEqual(["entropy", "0.400", "± 0.050"]);
    expect(view.first(".xattn-strip-chart").getAttribute("aria-label")).toBe(
      "mean 0.400, standard deviation 0.050; quantiles: 50% 0.400",
    );
    view.first('[data-score="entropy"]').click();
    await settled();
    expect(model.get("score_name")).toBe("entropy");
    expect(view.first('[data-score="entropy"]').getAttribute("aria-pressed")).toBe("true");
  });

  it("has the sentences where it is strongest, as text", async () => {
    const model = await shown();
    expect(view.all("img")).toEqual([]);
    const texts = () => view.all(".xattn-strongest li").map((entry) => entry.textContent);
    expect(texts()).toEqual([`0.900${HOSTILE.replace("\u202e", "⟨U+202E⟩")}x`, "0.800c db"]);
    expect(card().textContent).toContain("Strongest by aligner_output_share, highest first");
    expect(view.all(".xattn-strongest button")).toEqual([]);
    model.set("score_name", "entropy");
    await settled();
    expect(card().textContent).toContain("Strongest by entropy, lowest first");
    expect(texts()).toEqual([]);
    expect(card().textContent).toContain("No sentence has a value.");
  });

  it("opens one of them where the model is at hand", async () => {
    const model = await shown(({ traits }) => {
      traits.info = { ...traits.info, can_open: true };
    });
    const [first, second] = view.all(".xattn-strongest button");
    first?.focus();
    if (first) view.press(first, "ArrowDown");
    expect(document.activeElement).toBe(second);
    second?.click();
    await settled();
    expect(model.get("row")).toBe(2);
    expect(view.all(".xattn-strongest button")[1]?.getAttribute("aria-pressed")).toBe("true");
  });

  it("names the heads it agrees with, most similar first, which a click picks", async () => {
    const model = await shown();
    const others = view.all(".xattn-other-head");
    expect(others.map((button) => button.textContent)).toEqual(["L1 H0 0.90", "L0 H1 0.50", "L0 H0 0.40"]);
    others[0]?.click();
    expect(model.get("head")).toEqual([1, 0]);
  });
});

describe("agreement", () => {
  it("is summarized in words, walked by keys, and picks a head", async () => {
    const model = await shown();
    const matrix = view.first("canvas.xattn-agreement");
    expect(matrix.getAttribute("aria-label")).toContain(
      "Most alike: layer 1, head 0 and layer 1, head 1 (0.90).",
    );
    view.press(matrix, "ArrowLeft");
    expect(view.first(".xattn-agreement-part .xattn-readout").textContent).toBe(
      "layer 1, head 1 and layer 1, head 0: 0.900",
    );
    view.press(matrix, "ArrowUp");
    view.press(matrix, "Enter");
    expect(model.get("head")).toEqual([1, 0]);
    expect(view.first(".xattn-agreement-part").textContent).toContain("Mean over all rows of 4 sentences");
  });

  it("may be missing, which is said", async () => {
    await shown((saved) => {
      saved.traits.info = { ...saved.traits.info, agreement: false, drawn: 0, head_set: null };
      saved.numbers[2] = "";
    });
    expect(view.first(".xattn-agreement-part").hidden).toBe(true);
    expect(view.first(".xattn-profile-agreement").textContent).toContain("it was made with drawn=0");
    expect(view.first(".xattn-best-set").textContent).toBe("");
  });
});

describe("the table", () => {
  it("has the numbers of all heads once it is open, and picks", async () => {
    const model = await shown();
    const details = view.all("details").at(-1) as HTMLDetailsElement;
    details.open = true;
    details.dispatchEvent(new Event("toggle"));
    const lines = [...details.querySelectorAll("tbody tr")].map((row) => row.textContent);
    expect(lines).toHaveLength(4);
    expect(lines[0]).toContain("end of sentence");
    details.querySelector<HTMLElement>("tbody button")?.click();
    expect(model.get("head")).toEqual([0, 0]);
  });
});

describe("a profile", () => {
  it("without heads says so", async () => {
    await shown((saved) => {
      saved.traits.info = { ...saved.traits.info, layers: 0, heads: 0, assigned: [], head_set: null };
      saved.traits.head = null;
    });
    expect(view.first(".xattn-empty").hidden).toBe(false);
    expect(view.first(".xattn-empty").textContent).toBe("This profile has no heads.");
  });

  it("is shown on an offline page", async () => {
    const place = document.createElement("div");
    place.className = "xattn-page";
    const script = document.createElement("script");
    script.type = "application/json";
    script.className = "xattn-state";
    script.textContent = JSON.stringify(savedProfile());
    view.host.append(place, script);
    mountAll(document);
    await settled();
    expect(view.first(".xattn-page .xattn-profile").getAttribute("aria-label")).toBe("What each head does");
    expect(view.all(".xattn-page .xattn-head")).toHaveLength(4);
  });

  it("says why its numbers are missing, and offers to try again", async () => {
    await shown((saved) => {
      saved.numbers = null as never;
    });
    expect(view.first(".xattn-alert").textContent).toContain("The numbers could not be read");
    expect(view.first(".xattn-alert button").textContent).toBe("Retry");
  });
});
