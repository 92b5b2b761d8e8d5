// How much of a long recording has been read, with what to do about the rest.
import { h, setText } from "../core/dom";
import type { Unread } from "./recording";
import { timeText } from "./timeline";

export interface ReadingEvents {
  /** The recording is to be read to its end. */
  readAll(): void;
  stop(): void;
}

export interface ReadingProps {
  unread: Unread | null;
  /** Whether it is being read. */
  reading: boolean;
  /** Whether anyone could read it. */
  canRead: boolean;
}

export interface ReadingLine {
  element: HTMLElement;
  show(props: ReadingProps): void;
}

export function createReading(events: ReadingEvents, signal: AbortSignal): ReadingLine {
  const text = h("span");
  const button = h("button", { class: "xattn-link", attrs: { type: "button" } });
  const element = h("div", { class: "xattn-sound-reading xattn-small" }, text, " ", button);
  let reading = false;
  button.addEventListener("click", () => (reading ? events.stop() : events.readAll()), { signal });
  return {
    element,
    show(props) {
      const { unread, canRead } = props;
      reading = props.reading;
      element.hidden = unread === null;
      if (!unread) return;
      const known = `${timeText(unread.from, 1)} of ${timeText(unread.end, 1)}`;
      const state = canRead
        ? `Transcribed: ${known}${reading ? ", and going on …" : "."}`
        : `This page has ${known}.`;
      setText(text, state);
      button.hidden = !canRead;
      setText(button, reading ? "Stop" : "Transcribe the rest");
    },
  };
}
