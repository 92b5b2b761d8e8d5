// The registry: what a line of it makes of a view, and when a view is offered.
import { describe, expect, it } from "vitest";
import { exactScene, shownScene } from "../src/core/saved";
import { csvText } from "../src/core/scene_files";
import { type View, view } from "../src/core/view";
import { createStaticModel, type StaticState } from "../src/page/model";
import { mountPanel } from "../src/panel";
import { VIEWS } from "../src/views";
import { settled, state } from "./helpers";
import { mounted, TWO, twoSentences } from "./mounted";

const panel = mounted();

function toy(): View & { drawn: string[] } {
  const element = document.createElement("div");
  const drawn: string[] = [];
  return { element, title: "A toy", options: ["words"], drawn, draw: () => void drawn.push("drawn") };
}

/** Mounts a panel with one more view, which needs `needs`. */
async function mountToy(page: StaticState, needs: Parameters<typeof view>[2]) {
  const made = toy();
  const model = createStaticModel(page);
  const line = view(
    "toy",
    "Toy",
    needs,
    ({ store }) => ({
      ...made,
      draw: () => void made.drawn.push(`sentence ${store.get("sentence")}, ${store.get("aggregate")}`),
    }),
    (_, context) => ({
      title: ["a toy"],
      drawing: () => ({ width: 10, height: 10, body: "" }),
      numbers: async () => csvText(await exactScene(context, shownScene(context)), ["toy"]),
    }),
  );
  const close = mountPanel(model, panel.host, [...VIEWS, line]);
  await settled();
  return { model, drawn: made.drawn, close };
}

const tab = (label: string) =>
  panel.all('[role="tab"]').find((button) => button.textContent === label) as HTMLElement;

describe("the registry", () => {
  it("names each view once and gives each a tab with its label, in order", async () => {
    await panel.mount(state());
    const tabs = panel.all('[role="tab"]');
    expect(tabs.map((button) => button.textContent)).toEqual(VIEWS.map(({ label }) => label));
    expect(new Set(VIEWS.map(({ name }) => name)).size).toBe(VIEWS.length);
    expect(tabs.every((button) => button.title !== "")).toBe(true);
    // There is one sentence here, and neither sound nor a picture.
    expect(tabs.filter((button) => button.hidden)).toEqual(["Sound", "Image", "Sentences"].map(tab));
  });

  it("offers a view of several sentences where there are several, whatever their targets", async () => {
    const { model, close } = await mountToy(twoSentences({ info: TWO }), { several: true });
    expect(tab("Toy").hidden).toBe(false);
    const hypotheses = TWO.sentences.map((entry) => ({ ...entry, group: 0 }));
    model.set("info", { ...TWO, sentences: hypotheses });
    await settled();
    expect(tab("Toy").hidden).toBe(true);
    model.set("panel", "toy");
    await settled();
    expect(panel.first(".xattn-empty").textContent).toContain("here is only one");
    close();
  });

  it("takes one line for a view to have a tab, keys, options and drawings of its own", async () => {
    const { model, drawn, close } = await mountToy(state(), {});
    expect(drawn).toEqual([]);
    tab("All heads").focus();
    panel.press(tab("All heads"), "ArrowRight");
    expect([model.get("panel"), document.activeElement]).toEqual(["toy", tab("Toy")]);
    await settled();
    expect(drawn).toEqual(["sentence 0, mean"]);
    expect(tab("Toy").getAttribute("aria-selected")).toBe("true");
    expect(panel.first(".xattn-view").getAttribute("aria-labelledby")).toBe(tab("Toy").id);
    const shown = panel.all(".xattn-options .xattn-field").filter((field) => !field.hidden);
    expect(shown.map((field) => field.firstElementChild?.textContent)).toEqual(["Tokens"]);
    // It is drawn again for what it read, and for nothing else.
    model.set("aggregate", "max");
    model.set("table", true);
    await settled();
    expect(drawn).toEqual(["sentence 0, mean", "sentence 0, max"]);
    close();
  });

  it("draws no view that is not open", async () => {
    const { model, drawn, close } = await mountToy(state(), {});
    model.set("aggregate", "max");
    await settled();
    expect(drawn).toEqual([]);
    close();
  });
});

describe("what a view needs", () => {
  const withKind = (kind: "audio" | ("text" | "image")[]) => {
    const page = state();
    const { sentence } = page.sentences[0] ?? {};
    if (sentence && "source" in sentence) sentence.source = { ...sentence.source, kind };
    return page;
  };

  it("decides where its tab is offered: by the kinds of the source's positions", async () => {
    for (const [page, kind, offered] of [
      [state(), "audio", false],
      [withKind("audio"), "audio", true],
      [withKind(["image", "image", "text"]), "image", true],
      [withKind(["image", "image", "text"]), "audio", false],
      [state(), "text", true],
    ] as const) {
      const { close } = await mountToy(page, { weights: true, source: kind });
      expect(tab("Toy").hidden).toBe(!offered);
      close();
    }
  });

  it("is said where a view was opened that does not fit", async () => {
    const page = state(undefined, { panel: "toy" });
    const { drawn, close } = await mountToy(page, { weights: true, source: "audio" });
    expect(panel.first(".xattn-empty").textContent).toContain("another kind");
    expect([drawn, tab("Toy").hidden]).toEqual([[], false]);
    close();
  });
});
