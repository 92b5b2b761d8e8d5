// The view of sound as a reader meets it: words as buttons, playback by keys, and what is said.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Head, Info, SoundInfo, Traits } from "../../src/core/contract";
import type { StaticState } from "../../src/page/model";
import { sentenceInfo, settled, state } from "../helpers";
import { mounted } from "../mounted";

const panel = mounted();
const SOUND: SoundInfo = {
  seconds: 0.6,
  rate: 16000,
  offset: 10,
  peaks: btoa("\x10\xff\x20"),
  features: null,
  marked: { model: [[1, 0]], calibrated: [] },
};

/** A page of a sound of three positions, the last of which is outside, with two words. */
function page(patch: Partial<Traits> = {}): StaticState {
  const info = {
    layers: 2,
    heads: 2,
    model: "Toy",
    has_kernel: false,
    sentences: [sentenceInfo({ sound: SOUND })],
  };
  const made = state(["x", "y", "</s>"], { info, panel: "sound", ...patch });
  const saved = made.sentences[0];
  if (!saved || !("source" in saved.sentence)) throw new Error("no sentence");
  saved.sentence.source = {
    ...saved.sentence.source,
    labels: ["0.0 s", "0.3 s", "0.6 s"],
    kind: "audio",
    places: [
      [0, 0.3],
      [0.3, 0.6],
      [0.6, 0.9],
    ],
  };
  saved.sound = { mime: "audio/wav", buffer: btoa("sound") };
  saved.word_times = [
    {
      heads: [],
      reply: {
        words: [
          { text: "x", start: 0, end: 0.3, confidence: 0.5, rows: [0, 1] },
          { text: "y", start: 0.3, end: 0.6, confidence: null, rows: [1, 2] },
        ],
        path: [
          [0, 0, 0.3],
          [1, 0.3, 0.6],
        ],
        heads: [[1, 0]],
        lag: 0.05,
        chosen: "model",
        gold: [{ text: "y", start: 0.35, end: 0.6, word: 1 }],
      },
    },
  ];
  return made;
}

const played: string[] = [];
const media = HTMLMediaElement.prototype;
const kept = { play: media.play, pause: media.pause };
beforeEach(() => {
  played.length = 0;
  let paused = true;
  Object.defineProperty(media, "paused", { get: () => paused, configurable: true });
  media.play = function play(this: HTMLMediaElement) {
    paused = false;
    played.push(`play ${this.currentTime}`);
    this.dispatchEvent(new Event("play"));
    return Promise.resolve();
  };
  media.pause = function pause(this: HTMLMediaElement) {
    if (paused) return;
    paused = true;
    played.push("pause");
    this.dispatchEvent(new Event("pause"));
  };
  vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: () => "blob:sound", revokeObjectURL() {} }));
});
afterEach(() => {
  Object.assign(media, kept);
});

const words = () => panel.all(".xattn-spoken-word");
const plot = () => panel.first(".xattn-sound-plot");

describe("the view of sound", () => {
  it("is the open tab of a sound, where tabs of text alone are hidden", async () => {
    await panel.mount(page());
    const shown = panel.all('[role="tab"]').filter((tab) => !tab.hidden);
    expect(shown.map((tab) => tab.textContent)).toEqual(["Sound", "Compare", "Scores", "All heads"]);
  });

  it("has a button for each word, with its time in the recording", async () => {
    await panel.mount(page());
    expect(words().map((word) => word.getAttribute("aria-label"))).toEqual([
      "x, 10.00 to 10.30 seconds",
      "y, 10.30 to 10.60 seconds",
    ]);
    expect(words().map((word) => word.tabIndex)).toEqual([0, -1]);
    words()[0]?.focus();
    panel.press(words()[0] as Element, "ArrowRight");
    expect(document.activeElement).toBe(words()[1]);
  });

  it("says which weights it shows and where the times come from", async () => {
    const model = await panel.mount(page());
    const text = () => panel.first(".xattn-sound-notes").textContent;
    expect(text()).toContain("weights inside the sound, each row divided by its sum");
    expect(text()).toContain("the model's alignment heads (L1 H0), lag of 50 ms removed");
    expect(text()).toContain("mean error 25 ms over 1 words (−25 ms on average)");
    model.set("sound_weights", "filtered");
    await settled();
    expect(text()).toContain("median of seven positions");
  });

  it("plays by Space, a word by Enter and by a click, and marks it", async () => {
    const model = await panel.mount(page());
    panel.press(plot(), " ");
    panel.press(plot(), " ");
    expect(played).toEqual(["play 0", "pause"]);
    words()[1]?.click();
    expect(played.at(-1)).toBe("play 0.3");
    expect(words().map((word) => word.getAttribute("aria-current"))).toEqual([null, "true"]);
    expect(model.get("target_index")).toBe(1);
    await settled();
    expect(panel.first(".xattn-sound-said").textContent).toContain(
      "reference 10.35–10.60 s (start −50 ms, end +0 ms)",
    );
    panel.press(plot(), " ");
    panel.press(plot(), "ArrowUp");
    panel.press(plot(), "Enter");
    expect(played.at(-1)).toBe("play 0");
  });

  it("selects by keys, plays the selection and clears it", async () => {
    await panel.mount(page());
    for (let i = 0; i < 5; i++) panel.press(plot(), "ArrowRight", { shiftKey: true });
    await settled();
    const chosen = panel.first('[aria-label="Selection"]');
    expect([chosen.hidden, chosen.textContent?.includes("10.00–10.05 s")]).toEqual([false, true]);
    panel.press(plot(), " ");
    expect(played).toEqual(["play 0"]);
    panel.press(plot(), "Escape");
    await settled();
    expect(chosen.hidden).toBe(true);
  });

  it("says that there is no sound where the page was saved without it", async () => {
    const silent = page();
    delete silent.sentences[0]?.sound;
    await panel.mount(silent);
    const play = panel.first<HTMLButtonElement>(".xattn-play");
    expect([play.disabled, play.title]).toEqual([
      true,
      "The sound is not here: this page was saved without sound.",
    ]);
  });

  it("marks both sets of heads in the grid, also where a head is of both", async () => {
    const made = page();
    const info = made.traits.info as Info;
    const marked: SoundInfo["marked"] = {
      model: [[1, 0]],
      calibrated: [
        [0, 1],
        [1, 0],
      ],
    };
    info.sentences = [sentenceInfo({ sound: { ...SOUND, marked } })];
    await panel.mount(made);
    const places = (kind: string) =>
      panel.all(`.xattn-head.xattn-marked-${kind}`).map(({ dataset }) => [dataset.layer, dataset.head]);
    expect(places("model")).toEqual([["1", "0"]]);
    expect(places("calibrated")).toEqual([
      ["0", "1"],
      ["1", "0"],
    ]);
    const both = panel.first('.xattn-head[data-layer="1"][data-head="0"]').getAttribute("aria-label");
    expect(both).toContain("alignment head of the model, calibrated to time words");
    expect([...panel.first(".xattn-marks").children].map((one) => one.textContent)).toEqual([
      "alignment heads of the model",
      "calibrated to time words",
    ]);
  });

  it("times words by the chosen heads where the page has their times", async () => {
    const made = page({ heads: [[0, 1]] });
    const saved = made.sentences[0];
    const known = saved?.word_times?.[0]?.reply;
    if (!saved?.word_times || !known || "error" in known) throw new Error("no times");
    const words = known.words.map((word) => ({ ...word, start: word.start + 0.01 }));
    const reply = { ...known, words, heads: [[0, 1]] as Head[], lag: 0, chosen: "picked" as const };
    saved.word_times.push({ heads: [[0, 1]], reply });
    const model = await panel.mount(made);
    const select = panel.first<HTMLSelectElement>(".xattn-sound-choice:last-child select");
    expect([...select.options].map(({ text }) => text)).toEqual(["model's heads", "picked heads"]);
    expect(select.value).toBe("model");
    select.value = "picked";
    select.dispatchEvent(new Event("change"));
    await settled();
    expect(model.get("word_times_by")).toBe("picked");
    const notes = () => panel.first(".xattn-sound-notes").textContent;
    expect(notes()).toContain(
      "Word times by the picked heads (L0 H1). Against the reference: mean error 20 ms",
    );
    expect(panel.all(".xattn-spoken-word")[0]?.getAttribute("aria-label")).toBe("x, 10.01 to 10.30 seconds");
    model.set("heads", [[0, 0]]);
    await settled();
    expect(notes()).toContain(
      "The chosen heads have no word times here: this page was saved without these numbers.",
    );
    expect(notes()).toContain("Word times by the model's alignment heads");
  });

  it("offers a strip for each of several heads", async () => {
    const model = await panel.mount(
      page({
        heads: [
          [0, 0],
          [1, 1],
        ],
        combined: true,
      }),
    );
    const select = panel.first<HTMLSelectElement>(".xattn-sound-choice select");
    const head = panel.first(".xattn-sound-head");
    const before = Number.parseFloat(head.style.height);
    expect(select.value).toBe("one");
    select.value = "each";
    select.dispatchEvent(new Event("change"));
    await settled();
    expect(model.get("combined")).toBe(false);
    expect(Number.parseFloat(head.style.height)).toBeGreaterThan(before + 20);
    model.set("heads", [[0, 0]]);
    await settled();
    expect(panel.first(".xattn-sound-choice").hidden).toBe(true);
    expect(Number.parseFloat(head.style.height)).toBe(before);
  });

  it("leaves no listener behind", async () => {
    const model = await panel.mount(page());
    panel.close();
    expect(model.listeners).toBe(0);
  });
});
