// The elements of the view of sound, from top to bottom.
import { h, setText } from "../core/dom";
import { createLegend } from "../core/heat/legend";
import type { Theme } from "../core/theme";
import { type Bar, type BarEvents, createBar } from "./bar";
import { type Choices, type ChoicesEvents, createChoices } from "./choices";
import { canEnlarge } from "./layout";
import { createOverview, type Overview } from "./overview";
import { createSoundPane, type SoundPane } from "./pane";
import { createReading, type ReadingEvents, type ReadingLine } from "./reading";
import { createWords, type WordList, type WordsEvents } from "./words";

export interface SpeechEvents {
  bar: BarEvents;
  choices: ChoicesEvents;
  reading: ReadingEvents;
  words: WordsEvents;
  /** A time of the recording is to be in the middle. */
  go(time: number): void;
  enlarge(): void;
}

export interface FootProps {
  theme: Theme;
  /** The largest weight, and whether colors are linear in the weights. */
  top: number;
  linear: boolean;
  enlarged: boolean;
  weights: string;
  times: string;
}

export interface SpeechView {
  element: HTMLElement;
  bar: Bar;
  choices: Choices;
  reading: ReadingLine;
  words: WordList;
  overview: Overview;
  pane: SoundPane;
  /** Shows or hides the overview, whose place is kept by a hint. */
  zoomed(isZoomed: boolean): void;
  foot(props: FootProps): void;
  /** What is known of the row that is pointed at. */
  say(text: string): void;
}

const HINT = "Drag to select · Ctrl + wheel or pinch to zoom · Space plays";

export function createSpeech(
  events: SpeechEvents,
  audio: HTMLElement,
  schedule: (paint: () => void) => void,
  signal: AbortSignal,
): SpeechView {
  const bar = createBar(events.bar, signal);
  const choices = createChoices(events.choices, signal);
  const reading = createReading(events.reading, signal);
  const words = createWords(events.words, signal);
  const overview = createOverview(events.go, signal);
  const hint = h("div", { class: "xattn-sound-hint xattn-small xattn-muted", text: HINT });
  const pane = createSoundPane(schedule, signal);
  const said = h("div", { class: "xattn-readout xattn-sound-said" });
  const legend = createLegend("Weight", "");
  const enlarge = h("button", { class: "xattn-button", attrs: { type: "button" } });
  enlarge.addEventListener("click", events.enlarge, { signal });
  const weights = h("div", { class: "xattn-small xattn-muted" });
  const times = h("div", { class: "xattn-small xattn-muted" });
  const foot = h("div", { class: "xattn-foot" }, legend.element, h("div", { class: "xattn-tools" }, enlarge));
  const element = h(
    "div",
    { class: "xattn-speech" },
    bar.element,
    choices.element,
    words.element,
    h("div", { class: "xattn-sound-above" }, overview.element, hint),
    reading.element,
    pane.element,
    said,
    foot,
    h("div", { class: "xattn-sound-notes" }, weights, times),
    audio,
  );
  overview.element.hidden = true;

  return {
    element,
    bar,
    choices,
    reading,
    words,
    overview,
    pane,
    zoomed(isZoomed) {
      overview.element.hidden = !isZoomed;
      hint.hidden = isZoomed;
    },
    foot(props) {
      const { top, linear, theme, enlarged } = props;
      const digits = linear ? 1 : top < 0.1 ? 3 : 2;
      const middle = linear ? top / 2 : top / 4;
      legend.element.title = linear ? "" : "Square-root scale, so that small weights can be told from none";
      legend.show(
        theme.ramp.gradient,
        ["0", middle.toFixed(digits), top.toFixed(digits)],
        linear ? "standard deviations above the mean" : "",
      );
      const layout = pane.layout();
      enlarge.hidden = !enlarged && !(layout && canEnlarge(layout));
      setText(enlarge, enlarged ? "All rows" : "Enlarge rows");
      setText(weights, props.weights);
      setText(times, props.times);
      times.hidden = props.times === "";
    },
    say: (text) => setText(said, text),
  };
}
