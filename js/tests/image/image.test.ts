// The view of a picture as a reader meets it: words and patches that answer to each other, and what is said.
import { describe, expect, it } from "vitest";
import type { Traits } from "../../src/core/contract";
import { svgSurface } from "../../src/core/surface";
import { imageMove } from "../../src/image/keys";
import { panned, pixelAt, viewportOf, WHOLE, withInSight, zoomAt } from "../../src/image/viewport";
import type { StaticState } from "../../src/page/model";
import { packed, sentenceInfo, settled, state } from "../helpers";
import { mounted } from "../mounted";

const panel = mounted();
const said = () => panel.first(".xattn-image-said").textContent ?? "";
const words = () => panel.all(".xattn-image-word");
const pane = () => panel.first(".xattn-image-pane");

/** Four patches and a class token; "x" looks at the first one, "y" at the two below, "</s>" at the class token. */
function page(patch: Partial<Traits> = {}, labels = ["x", "y", "</s>"]): StaticState {
  const sentences = [sentenceInfo({ image: { width: 40, height: 40 } })];
  const info = { layers: 2, heads: 2, model: "Toy", has_kernel: false, sentences };
  const made = state(labels, { info, panel: "image", ...patch });
  const saved = made.sentences[0];
  if (!saved || !("source" in saved.sentence)) throw new Error("no sentence");
  saved.sentence.source = {
    labels: ["[CLS]", "0, 0 px", "20, 0 px", "0, 20 px", "20, 20 px"],
    special: [true, false, false, false, false],
    groups: [-1, 0, 1, 2, 3],
    words: ["0, 0 px", "20, 0 px", "0, 20 px", "20, 20 px"],
    kind: "image",
    places: [null, [0, 0, 20, 20], [20, 0, 40, 20], [0, 20, 20, 40], [20, 20, 40, 40]],
  };
  const bytes = [0.19, 0.81, 0, 0, 0, 0, 0, 0, 0.5, 0.5, 1, 0, 0, 0, 0].map((w) =>
    Math.round(255 * Math.sqrt(w)),
  );
  saved.layers = [0, 1].map(() => ({ shape: [2, 3, 5], heads: [packed(bytes), packed(bytes)] }));
  return made;
}

const over = (element: Element) =>
  element.dispatchEvent(new PointerEvent("pointerover", { bubbles: true, pointerType: "mouse" }));

describe("the view of a picture", () => {
  it("opens with the mean of the words, and says what a word was read from", async () => {
    await panel.mount(page());
    expect(panel.first('[role="tab"][aria-selected="true"]').textContent).toBe("Image");
    expect(words().map((word) => word.textContent)).toEqual(["x", "y", "</s>"]);
    expect(said()).toBe("The mean of 2 tokens was read 91% from the picture · 9% from outside it (CLS)");
    over(words()[0] as Element);
    await settled();
    expect(said()).toBe(
      "\u2068x\u2069 was read 81% from the box 0, 0 to 20, 20 px · 19% from outside it (CLS)",
    );
    over(words()[1] as Element);
    await settled();
    expect(said()).toContain("from the box 0, 20 to 20, 40 px");
    over(words()[2] as Element);
    await settled();
    expect(said()).toContain("was read from no part of the picture");
  });

  it("pins a word by a click, which the traits know, and unpins it by Escape", async () => {
    const model = await panel.mount(page());
    words()[1]?.click();
    await settled();
    expect(model.get("target_index")).toBe(1);
    expect(words()[1]?.getAttribute("aria-pressed")).toBe("true");
    panel.press(pane(), "Escape");
    await settled();
    expect(model.get("target_index")).toBeNull();
  });

  it("walks along patches by arrow keys, marks the words that read them, and pins by Enter", async () => {
    const model = await panel.mount(page());
    // From the strongest patch on.
    panel.press(pane(), "ArrowRight");
    await settled();
    expect(said()).toContain("The patch 0, 0 to 20, 20 px was read by \u2068x\u2069 0.81");
    expect(words()[0]?.style.getPropertyValue("--xattn-read")).not.toBe("");
    expect(words()[1]?.style.getPropertyValue("--xattn-read")).toBe("");
    panel.press(pane(), "ArrowDown");
    panel.press(pane(), "Enter");
    await settled();
    expect(model.get("source_index")).toBe(3);
    expect(said()).toContain("The patch 0, 20 to 20, 40 px was read by \u2068y\u2069 0.50");
    panel.press(pane(), "ArrowRight");
    panel.press(pane(), "ArrowUp");
    await settled();
    expect(said()).toBe("The patch 20, 0 to 40, 20 px was read by no token with 0.01 or more");
  });

  it("says how much of a word was dropped with special tokens", async () => {
    await panel.mount(page({ special: "drop", target_index: 0 }));
    expect(said()).toContain(
      "was read 100% from the box 0, 0 to 20, 20 px · 19% of its weight was on special tokens, dropped",
    );
  });

  it("says that the picture is missing, and is not offered where nothing has a place", async () => {
    await panel.mount(page());
    expect(panel.first(".xattn-image").textContent).toContain("this page was saved without the picture");
    panel.close();
    const latents = page({ panel: "lines" });
    const saved = latents.sentences[0]?.sentence;
    if (saved && "source" in saved) saved.source.places = null;
    await panel.mount(latents);
    const tab = panel.all('[role="tab"]').find((button) => button.textContent === "Image");
    expect(tab?.hidden).toBe(true);
  });

  it("draws the boxes of a reference, and says how well those of the word agree with its own", async () => {
    const made = page({ image_outline: "boxes" });
    const saved = made.sentences[0]?.sentence;
    if (!saved || !("source" in saved)) throw new Error("no sentence");
    saved.reference_boxes = [
      { text: "x", rows: [0, 1], boxes: [[0, 0, 10, 20]] },
      { text: "<b>x y</b>", rows: [0, 2], boxes: [[0, 0, 40, 40]] },
      { text: "elsewhere", rows: null, boxes: [[0, 0, 40, 40]] },
    ];
    const model = await panel.mount(made);
    expect(said()).not.toContain("IoU");
    over(words()[0] as Element);
    await settled();
    expect(said()).toContain("IoU with its reference box 0.50");
    expect(said()).toContain("IoU with the reference box of \u2068<b>x y</b>\u2069 0.25");
    over(words()[2] as Element);
    await settled();
    expect(said()).not.toContain("IoU");
    const box = panel.all("label").find((label) => label.textContent === "Reference");
    box?.querySelector("input")?.click();
    expect(model.get("image_reference")).toBe(false);
    over(words()[0] as Element);
    await settled();
    expect(said()).not.toContain("IoU");
  });

  it("divides by sinks where they are known, says so, and says why where they are not", async () => {
    const field = () => panel.all("label").find((label) => label.textContent === "Divide by sinks");
    const known = page();
    const [sentence] = known.traits.info?.sentences ?? [];
    if (sentence) sentence.sinks = { note: "each weight divided", why: "" };
    const model = await panel.mount(known);
    const heading = () => panel.first(".xattn-picked").textContent;
    expect(heading()).not.toContain("each weight divided");
    field()?.querySelector("input")?.click();
    await settled();
    expect(model.get("divide_sinks")).toBe(true);
    expect(heading()).toContain("each weight divided");
    panel.close();
    const few = page({ divide_sinks: true });
    const [other] = few.traits.info?.sentences ?? [];
    if (other) other.sinks = { note: "", why: "there are 2 pictures" };
    await panel.mount(few);
    expect(heading()).not.toContain("divided");
    expect(field()?.querySelector("input")?.disabled).toBe(true);
    expect(field()?.querySelector("input")?.checked).toBe(false);
    expect(field()?.title).toContain("Not here: there are 2 pictures");
  });

  it("offers no reference where there is none", async () => {
    await panel.mount(page());
    expect(panel.all("label").find((label) => label.textContent === "Reference")?.hidden).toBe(true);
  });

  it("keeps labels text, whatever they contain", async () => {
    await panel.mount(page({}, ["<img src=x onerror=alert(1)>", "\u202egnp", ""]));
    expect(panel.all("img")).toEqual([]);
    expect(words()[0]?.textContent).toBe("<img src=x onerror=alert(1)>");
    expect(words()[1]?.textContent).toBe("⟨U+202E⟩gnp");
  });
});

describe("the shown part of a picture", () => {
  const size = { width: 400, height: 200 };
  const whole = viewportOf(size, 600, WHOLE);

  it("is the whole at first, and small pictures are enlarged", () => {
    expect([whole.scale, whole.left, whole.top, whole.height]).toEqual([1.5, 0, 0, 300]);
    expect(viewportOf({ width: 1, height: 1 }, 600, WHOLE).scale).toBe(240);
    expect(viewportOf({ width: 16, height: 16 }, 600, WHOLE).left).toBe(180);
    expect(viewportOf({ width: 9000, height: 12000 }, 600, WHOLE).height).toBe(560);
  });

  it("keeps the point under the pointer where it is while zooming, and never shows what is beyond the picture", () => {
    const before = pixelAt(whole, 450, 100);
    const zoom = zoomAt(whole, size, WHOLE, 4, 450, 100);
    const view = viewportOf(size, 600, zoom);
    expect(pixelAt(view, 450, 100)[0]).toBeCloseTo(before[0]);
    expect(pixelAt(view, 450, 100)[1]).toBeCloseTo(before[1]);
    const far = viewportOf(size, 600, panned(view, size, zoom, 1e6, -1e6));
    expect(pixelAt(far, 600, 0)[0]).toBeCloseTo(400);
    expect(pixelAt(far, 600, 0)[1]).toBeCloseTo(0);
    expect(zoomAt(view, size, zoom, 1 / 8, 0, 0)).toEqual(WHOLE);
  });

  it("moves so that a patch comes into sight", () => {
    const zoom = zoomAt(whole, size, WHOLE, 8, 0, 0);
    const rect = { left: 380, top: 180, right: 400, bottom: 200 };
    const view = viewportOf(size, 600, withInSight(viewportOf(size, 600, zoom), size, zoom, rect));
    const [x, y] = pixelAt(view, 600, 300);
    expect(x).toBeGreaterThanOrEqual(400 - 1e-6);
    expect(y).toBeGreaterThanOrEqual(200 - 1e-6);
  });

  it("obeys keys", () => {
    expect(imageMove("ArrowLeft", false)).toEqual({ kind: "walk", by: [-1, 0] });
    expect(imageMove("ArrowLeft", true)).toEqual({ kind: "pan", by: [-1, 0] });
    expect(imageMove("+", true)).toEqual({ kind: "zoom", factor: 2 });
    expect(imageMove("toString", false)).toBeNull();
  });
});

describe("a drawing", () => {
  it("contains the picture as a file", () => {
    const canvas = document.createElement("canvas");
    canvas.toDataURL = () => "data:image/png;base64,AA==";
    const surface = svgSurface({ theme: {} as never, family: "", measure: () => 0 });
    surface.picture(canvas, { x: 0, y: 0, width: 10, height: 5 }, true);
    surface.fill({ x: 0, y: 0, width: 1, height: 1 }, "red", 0.5);
    expect(surface.markup()).toContain('href="data:image/png;base64,AA=="');
    expect(surface.markup()).toContain('fill-opacity="0.5"');
  });
});
