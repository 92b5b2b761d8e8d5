// Plays the sound or a part of it, and tells where it is.
import { type ReadonlySignal, signal } from "@preact/signals-core";
import type { MediaFile } from "../core/data";
import { h } from "../core/dom";
import { errorText } from "../core/errands";
import type { Span } from "./timeline";

export interface Player {
  /** The element of audio, which is not seen. */
  element: HTMLAudioElement;
  playing: ReadonlySignal<boolean>;
  /** Where the cursor is; a new value in each frame while it plays. */
  time: ReadonlySignal<number>;
  /** Takes another sound; null takes it away. */
  load(file: MediaFile | null): void;
  /** Plays a span to its end, or from the cursor to the end of the sound. */
  play(span?: Span): void;
  pause(): void;
  seek(time: number): void;
}

const JUST = 0.001;

/** `failed` is told why the browser does not play; `ended`, that the sound was played to its end. */
export function createPlayer(
  events: { failed(reason: string): void; ended(): void },
  closing: AbortSignal,
): Player {
  const element = h("audio", { attrs: { preload: "auto" } });
  element.hidden = true;
  const playing = signal(false);
  const time = signal(0);
  let address = "";
  /** Where to stop; null at the end of the sound. */
  let stop: number | null = null;
  let frame = 0;

  function release(): void {
    cancelAnimationFrame(frame);
    if (!address) return;
    element.pause();
    URL.revokeObjectURL(address);
    address = "";
  }
  closing.addEventListener("abort", release, { once: true });

  function follow(): void {
    cancelAnimationFrame(frame);
    if (closing.aborted || element.paused) return;
    look();
    if (!element.paused) frame = requestAnimationFrame(follow);
  }

  function look(): void {
    const now = element.currentTime;
    if (stop !== null && now >= stop) {
      element.pause();
      // Just before the end, which may be where the next word begins.
      time.value = Math.max(0, stop - JUST);
      stop = null;
    } else time.value = now;
  }

  const on = (name: string, act: () => void) => element.addEventListener(name, act, { signal: closing });
  on("play", () => {
    playing.value = true;
    follow();
  });
  on("pause", () => {
    playing.value = false;
  });
  // A hidden page has no frames.
  on("timeupdate", () => {
    if (!element.paused) look();
  });
  on("ended", () => {
    playing.value = false;
    time.value = element.currentTime;
    events.ended();
  });
  on("error", () => {
    if (address) events.failed("the browser cannot read this sound");
  });

  async function start(): Promise<void> {
    try {
      await element.play();
    } catch (error) {
      // Pausing before playback has begun is not a failure.
      if (!closing.aborted && (error as DOMException)?.name !== "AbortError") events.failed(errorText(error));
    }
  }

  return {
    element,
    playing,
    time,
    load(file) {
      release();
      playing.value = false;
      stop = null;
      time.value = 0;
      if (!file) {
        element.removeAttribute("src");
        return;
      }
      address = URL.createObjectURL(new Blob([file.bytes], { type: file.mime }));
      element.src = address;
    },
    play(span) {
      if (!address) return;
      stop = span ? span.end : null;
      if (span) element.currentTime = span.start;
      else if (element.ended || time.peek() >= element.duration - 0.01) element.currentTime = 0;
      time.value = element.currentTime;
      void start();
    },
    pause() {
      stop = null;
      if (!element.paused) element.pause();
    },
    seek(next) {
      stop = null;
      if (address) element.currentTime = next;
      time.value = next;
    },
  };
}
