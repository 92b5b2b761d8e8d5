// The bar above the sound: play, the time, what to do with a selection, and which part is shown.
import { h, setText } from "../core/dom";
import { type Span, spanText, timeText } from "./timeline";

export interface BarEvents {
  toggle(): void;
  zoomToSelection(): void;
  clearSelection(): void;
  zoom(factor: number): void;
  whole(): void;
}

export interface BarProps {
  /** Why nothing can be played; "" where it can. */
  silence: string;
  playing: boolean;
  time: number;
  seconds: number;
  /** Where the sound begins in the recording: `time` and `seconds` count from the beginning of that. */
  offset: number;
  selection: Span | null;
  isZoomed: boolean;
}

export interface Bar {
  element: HTMLElement;
  show(props: BarProps): void;
  /** Shows the time alone, in each frame while the sound is played. */
  tick(time: number, seconds: number): void;
}

export function createBar(events: BarEvents, signal: AbortSignal): Bar {
  function button(text: string, title: string, act: () => void, more = ""): HTMLButtonElement {
    const made = h("button", {
      class: `xattn-button ${more}`.trim(),
      text,
      title,
      attrs: { type: "button" },
    });
    made.addEventListener("click", act, { signal });
    return made;
  }
  const play = button("Play", "Play or pause (Space)", events.toggle, "xattn-play");
  const clock = h("span", { class: "xattn-number xattn-clock" });
  const chosen = h("span", { class: "xattn-small" });
  const selection = h(
    "span",
    { class: "xattn-selected-span", attrs: { role: "group", "aria-label": "Selection" } },
    chosen,
    button("Zoom", "Show the selection alone (Z)", events.zoomToSelection),
    button("×", "Clear the selection (Escape)", events.clearSelection, "xattn-icon"),
  );
  const closer = button("+", "Zoom in (+, or Ctrl and the wheel)", () => events.zoom(1 / 2), "xattn-icon");
  closer.setAttribute("aria-label", "Zoom in");
  const farther = button("−", "Zoom out (−)", () => events.zoom(2), "xattn-icon");
  farther.setAttribute("aria-label", "Zoom out");
  const whole = button("All", "Show the whole sound (0)", events.whole);
  const zoom = h(
    "span",
    { class: "xattn-zooms", attrs: { role: "group", "aria-label": "Zoom" } },
    farther,
    closer,
    whole,
  );
  const element = h("div", { class: "xattn-sound-bar" }, play, clock, selection, zoom);

  function tick(time: number, seconds: number): void {
    const step = seconds < 60 ? 0.01 : 0.1;
    setText(clock, `${timeText(time, step)} / ${timeText(seconds, step)}`);
  }

  return {
    element,
    tick,
    show({ silence, playing, time, seconds, offset, selection: span, isZoomed }) {
      setText(play, playing ? "Pause" : span ? "Play selection" : "Play");
      play.disabled = silence !== "";
      play.title = silence || (span ? "Play the selection (Space)" : "Play or pause (Space)");
      tick(time, seconds);
      selection.hidden = span === null;
      if (span) setText(chosen, spanText(span, offset));
      whole.disabled = !isZoomed;
      farther.disabled = !isZoomed;
    },
  };
}
