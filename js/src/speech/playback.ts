// Playing the sound: spans and words, from one window of a recording to the next, with the cursor and the spoken word.
import { computed, type ReadonlySignal, signal, untracked } from "@preact/signals-core";
import { type Context, tell } from "../core/context";
import type { ExperimentRequest } from "../core/contract";
import { errorText } from "../core/errands";
import type { Axis } from "./axis";
import { createPlayer } from "./player";
import { type Unread, unreadOf, type Window, windowsOf } from "./recording";
import type { SoundSource } from "./source";
import { indexAt, lengthOf, pageTo, type Span } from "./timeline";

/** A word is played for at least so long, in seconds. */
const AUDIBLE = 0.12;

export interface Playback {
  /** The element of audio, which is not seen. */
  element: HTMLElement;
  playing: ReadonlySignal<boolean>;
  /** Where the cursor is, also before it is shown. */
  time: ReadonlySignal<number>;
  /** The same; null before anything was played or pointed out. */
  cursor: ReadonlySignal<number | null>;
  /** The word at the cursor; -1 for none. */
  current: ReadonlySignal<number>;
  /** The windows of the recording. */
  windows: ReadonlySignal<readonly Window[]>;
  /** What has not been read of the recording; null where all has been. */
  unread: ReadonlySignal<Unread | null>;
  toggle(): void;
  play(span: Span): void;
  playWord(index: number): void;
  /** Takes the cursor away, for another record. */
  rewind(): void;
  seek(time: number): void;
  /** Brings a time of the recording into the middle, in whichever window it is. */
  go(time: number): void;
  /** Has the recording read up to a time of it. */
  read(until: number): void;
  stopReading(): void;
}

export function createPlayback(
  context: Context,
  source: SoundSource,
  axis: Axis,
  isOpen: () => boolean,
): Playback {
  const { store, transport, active, gestures, frames, signal: closing } = context;
  const player = createPlayer(
    {
      failed: (reason) => tell(context, `The sound could not be played: ${reason}.`),
      ended: goOn,
    },
    closing,
  );
  const hasCursor = signal(false);
  const windows = computed(() => windowsOf(store.get("info").sentences, store.get("sentence")));
  const unread = computed(() => unreadOf(store.get("info").sentences, windows.value));
  /** What to do in another window as soon as its sound is loaded. */
  let arrival: { time: number; plays: boolean } | null = null;
  /** The same for a window that is not read yet, by the time in the recording. */
  let awaited: { time: number; plays: boolean } | null = null;

  function seek(time: number): void {
    hasCursor.value = true;
    player.seek(Math.max(0, Math.min(axis.seconds.peek(), time)));
  }

  function play(span: Span): void {
    if (source.silence.value) tell(context, source.silence.value);
    hasCursor.value = true;
    player.play(span);
    axis.show(pageTo(axis.shown.value, axis.whole.value, span.start));
  }

  function toggle(): void {
    const selection = axis.selection.value;
    if (player.playing.value) player.pause();
    else if (selection) play(selection);
    else if (source.silence.value) tell(context, source.silence.value);
    else {
      hasCursor.value = true;
      player.play();
    }
  }

  function playWord(index: number): void {
    const word = source.timing.value.words[index];
    if (!word) return;
    play({ start: word.start, end: Math.max(word.end, word.start + AUDIBLE) });
    if (word.row >= 0) active.pin({ side: "target", unit: word.row });
  }

  /** After the end of a window, the next one of the recording is played, as soon as it is read. */
  function goOn(): void {
    const place = windows.value.findIndex(({ sentence }) => sentence === store.get("sentence"));
    const here = windows.value[place];
    if (!here || !isOpen()) return;
    const next = windows.value[place + 1];
    if (next) visit(next, { time: 0, plays: true });
    else if (unread.value) wait({ time: here.end, plays: true });
  }

  function visit(window: Window, then: { time: number; plays: boolean }): void {
    arrival = then;
    awaited = null;
    gestures.sentence(window.sentence);
  }

  function wait(next: { time: number; plays: boolean }): void {
    awaited = next;
    read(next.time);
    const canRead = store.get("info").has_kernel;
    tell(context, canRead ? "This part is being transcribed." : "This page was saved without this part.");
  }

  function ask(request: ExperimentRequest): void {
    transport.request({ kind: "live", ...request }).catch((error: unknown) => {
      tell(context, `The recording could not be read on: ${errorText(error)}`);
    });
  }

  function read(until: number): void {
    const sentence = store.get("sentence");
    if (context.hasKernel.peek()) ask({ action: "read", sentence, until: Math.ceil(until) });
  }

  function go(time: number): void {
    const there = windows.value.find(({ start, end }) => time >= start && time < end);
    if (there && there.sentence !== store.get("sentence"))
      visit(there, { time: time - there.start, plays: false });
    else if (unread.value && time >= unread.value.from) wait({ time, plays: false });
    else {
      const middle = time - axis.offset.value;
      const half = lengthOf(axis.shown.value) / 2;
      if (axis.isZoomed.value) axis.show({ start: middle - half, end: middle + half });
      else seek(middle);
    }
  }

  frames.watch(() => {
    const known = windows.value;
    if (!awaited) return;
    const { time, plays } = awaited;
    // The window that goes on after a time is the last one that contains it.
    const there = [...known].reverse().find(({ start, end }) => time >= start && time < end);
    if (there && there.sentence !== store.get("sentence"))
      untracked(() => visit(there, { time: time - there.start, plays }));
  });
  frames.watch(() => {
    const file = source.file.value;
    player.load(file);
    if (!file || !arrival) return;
    const { time, plays } = arrival;
    arrival = null;
    seek(time);
    if (plays) player.play();
  });
  frames.watch(() => {
    if (!isOpen()) player.pause();
  });
  frames.watch(() => {
    // While it is played, the page is turned where the cursor leaves it.
    if (!player.playing.value) return;
    const span = axis.shown.peek();
    const next = pageTo(span, axis.whole.peek(), player.time.value);
    if (next !== span) axis.show(next);
  });

  return {
    element: player.element,
    playing: player.playing,
    time: player.time,
    cursor: computed(() => (hasCursor.value ? player.time.value : null)),
    current: computed(() => (hasCursor.value ? indexAt(source.timing.value.words, player.time.value) : -1)),
    windows,
    unread,
    toggle,
    play,
    playWord,
    rewind() {
      hasCursor.value = false;
    },
    seek,
    go,
    read,
    stopReading: () => ask({ action: "stop" }),
  };
}
