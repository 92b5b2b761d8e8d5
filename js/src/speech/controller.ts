// The view of sound: what it hears, attention over it, and the words, on one axis of time that can be played.
import { computed, signal } from "@preact/signals-core";
import { type Context, tell } from "../core/context";
import { claim } from "../core/keyboard";
import type { View } from "../core/view";
import { contentOf } from "./content";
import { cursorStep, soundMove } from "./keys";
import { isIn, timeAt } from "./layout";
import { peakAmplitudes } from "./pictures";
import { createPlayer } from "./player";
import { followAxis } from "./pointer";
import { windowsOf } from "./recording";
import { rowText, timesText, weightsText } from "./says";
import { createSoundSource, type SoundSource, secondsOf } from "./source";
import { fitSpan, indexAt, isZoomed, lengthOf, pageTo, panSpan, type Span, zoomSpan } from "./timeline";
import { createSpeech } from "./view";

/** The name of the view in the registry. */
const NAME = "sound";
/** A word is played for at least so long, in seconds. */
const AUDIBLE = 0.12;

export interface SpeechMounted extends View {
  /** For the export. */
  source: SoundSource;
}

export function mountSpeech(context: Context): SpeechMounted {
  const { store, active, gestures, theme, size, printing, frames, spoken, paintSoon } = context;
  const { signal: closing } = context;
  const isOpen = () => store.get("panel") === NAME;
  const source = createSoundSource(context, isOpen);
  const player = createPlayer(
    {
      failed: (reason) => tell(context, `The sound could not be played: ${reason}.`),
      ended: goOn,
    },
    closing,
  );
  /** The part of the axis that is shown; null for all of it. */
  const zoom = signal<Span | null>(null);
  const selection = signal<Span | null>(null);
  /** The row that is pointed at; -1 for none. */
  const pointed = signal(-1);
  const hasCursor = signal(false);
  /** For readers who want no motion, the picture does not follow the words while they are played. */
  const isCalm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  /** What to do in another window as soon as its sound is loaded. */
  let arrival: { time: number; plays: boolean } | null = null;

  const seconds = computed(() => secondsOf(source.weights.value?.scene ?? null, source.info.value));
  const offset = computed(() => source.info.value?.offset ?? 0);
  const whole = computed((): Span => {
    const places = source.weights.value?.places ?? [];
    return { start: 0, end: Math.max(seconds.value, places[places.length - 1]?.end ?? 0) || 1 };
  });
  const span = computed(() => (zoom.value ? fitSpan(zoom.value, whole.value) : whole.value));
  const windows = computed(() => windowsOf(store.get("info").sentences, store.get("sentence")));
  const parts = computed(() => {
    const { sentences } = store.get("info");
    return windows.value.map((window) => {
      const peaks = sentences[window.sentence]?.sound?.peaks;
      return { ...window, amplitudes: peaks ? peakAmplitudes(peaks) : null };
    });
  });
  const current = computed(() => {
    if (!hasCursor.value) return -1;
    return indexAt(source.timing.value.words, player.time.value);
  });
  const pinnedRow = () => {
    const pin = active.pinned();
    return pin?.side === "target" ? pin.unit : -1;
  };
  /** The row whose attention is shown over the sound. */
  const row = computed(() => {
    if (pointed.value >= 0) return pointed.value;
    const follows = player.playing.value && !isCalm;
    const heard = follows ? (source.timing.value.words[current.value]?.row ?? -1) : -1;
    return heard >= 0 ? heard : pinnedRow();
  });

  const view = createSpeech(
    {
      bar: {
        toggle,
        zoomToSelection: () => selection.value && show(selection.value),
        clearSelection: () => {
          selection.value = null;
        },
        zoom: (factor) => show(zoomSpan(span.value, whole.value, factor, middleOf(span.value))),
        whole: () => show(whole.value),
        weights: (sound_weights) => store.set({ sound_weights }),
      },
      words: {
        play: playWord,
        toggle,
        leave,
        point: (word) => point(word === null ? -1 : (source.timing.value.words[word]?.row ?? -1)),
      },
      go,
      enlarge: () => store.set({ zoom: !store.get("zoom") }),
    },
    player.element,
    paintSoon,
    closing,
  );
  const { pane, bar, overview, words } = view;

  function show(next: Span): void {
    zoom.value = isZoomed(next, whole.value) ? fitSpan(next, whole.value) : null;
  }

  function point(next: number): void {
    pointed.value = next;
  }

  function seek(time: number): void {
    hasCursor.value = true;
    player.seek(Math.max(0, Math.min(seconds.peek(), time)));
  }

  function playSpan(part: Span): void {
    if (source.silence.value) tell(context, source.silence.value);
    hasCursor.value = true;
    player.play(part);
    show(pageTo(span.value, whole.value, part.start));
  }

  function toggle(): void {
    if (player.playing.value) player.pause();
    else if (selection.value) playSpan(selection.value);
    else if (source.silence.value) tell(context, source.silence.value);
    else {
      hasCursor.value = true;
      player.play();
    }
  }

  function playWord(index: number): void {
    const word = source.timing.value.words[index];
    if (!word) return;
    playSpan({ start: word.start, end: Math.max(word.end, word.start + AUDIBLE) });
    if (word.row >= 0) active.pin({ side: "target", unit: word.row });
  }

  function playRow(index: number): void {
    const word = source.timing.value.wordOfRow[index] ?? -1;
    if (word >= 0) playWord(word);
    else if (index >= 0) active.toggle({ side: "target", unit: index });
  }

  /** After the end of a window, the next one of the recording is played. */
  function goOn(): void {
    const place = windows.value.findIndex(({ sentence }) => sentence === store.get("sentence"));
    const next = windows.value[place + 1];
    if (place < 0 || !next || !isOpen()) return;
    arrival = { time: 0, plays: true };
    gestures.sentence(next.sentence);
  }

  function go(time: number): void {
    const there = windows.value.find(({ start, end }) => time >= start && time < end);
    if (there && there.sentence !== store.get("sentence")) {
      arrival = { time: time - there.start, plays: false };
      gestures.sentence(there.sentence);
      return;
    }
    const half = lengthOf(span.value) / 2;
    if (zoom.value) show({ start: time - offset.value - half, end: time - offset.value + half });
    else seek(time - offset.value);
  }

  // --- The pointer and the keys.

  const placeOf = (event: MouseEvent) => {
    const layout = pane.layout();
    const [head, rows] = [pane.head.getBoundingClientRect(), pane.rows.getBoundingClientRect()];
    const y = event.clientY - head.top;
    const inRows = event.clientY >= rows.top && event.clientY < rows.bottom;
    const time = layout ? timeAt(layout, span.value, event.clientX - head.left) : 0;
    return { layout, y, time, index: inRows ? pane.rowAt(event.clientY - rows.top) : -1, inRows };
  };
  const rowAtTime = (time: number) => {
    const { words: timed } = source.timing.value;
    return timed[indexAt(timed, time)]?.row ?? -1;
  };
  const timeOfX = (x: number) => {
    const layout = pane.layout();
    const time = layout ? timeAt(layout, span.value, x) : 0;
    return Math.max(0, Math.min(seconds.value, time));
  };
  followAxis(
    pane.element,
    {
      point(event) {
        if (!event || event.pointerType === "touch") return point(-1);
        const { layout, inRows, index, time, y } = placeOf(event);
        const isOver =
          layout !== null && event.clientX - pane.head.getBoundingClientRect().left >= layout.plot.x;
        point(inRows ? index : isOver && y > (layout?.ruler.height ?? 0) ? rowAtTime(time) : -1);
      },
      click(event) {
        const { layout, y, time, index, inRows } = placeOf(event);
        if (inRows) playRow(index);
        else if (layout && (isIn(layout.words, y) || isIn(layout.gold, y))) playRow(rowAtTime(time));
        else {
          selection.value = null;
          seek(time);
        }
      },
      select(from, to) {
        const [a, b] = [timeOfX(from), timeOfX(to)];
        selection.value = { start: Math.min(a, b), end: Math.max(a, b) };
      },
      pan(by) {
        const layout = pane.layout();
        if (layout) show(panSpan(span.value, whole.value, (by / layout.plot.width) * lengthOf(span.value)));
      },
      zoom(factor, x) {
        const layout = pane.layout();
        if (layout) show(zoomSpan(span.value, whole.value, factor, timeAt(layout, span.value, x)));
      },
      pans: () => zoom.value !== null,
    },
    closing,
  );

  function walk(by: number): void {
    const count = source.weights.value?.heard.rows ?? 0;
    const next = Math.max(0, Math.min(count - 1, row.value < 0 && by > 0 ? 0 : row.value + by));
    point(next);
    pane.reveal(next);
    const weights = source.weights.value;
    if (weights) spoken.value = rowText(next, weights, source.timing.value, offset.value);
  }

  function moveCursor(by: number, selects: boolean): void {
    const from = player.time.value;
    const to = Math.max(0, Math.min(seconds.value, from + by * cursorStep(lengthOf(span.value))));
    if (selects) {
      const { start, end } = selection.value ?? { start: from, end: from };
      // The edge at the cursor moves, the other one stays.
      const fixed = Math.abs(from - end) <= Math.abs(from - start) ? start : end;
      selection.value = { start: Math.min(fixed, to), end: Math.max(fixed, to) };
    }
    seek(to);
    show(pageTo(span.value, whole.value, to));
    spoken.value = `${(to + offset.value).toFixed(2)} seconds`;
  }

  function leave(): void {
    if (selection.value) selection.value = null;
    else {
      point(-1);
      active.unpin();
    }
  }

  pane.element.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const move = soundMove(event.key, event.shiftKey);
      if (!move) return;
      claim(event);
      if (move.kind === "play") toggle();
      else if (move.kind === "word") {
        if (row.value >= 0) playRow(row.value);
        else if (selection.value) playSpan(selection.value);
      } else if (move.kind === "walk") walk(move.by);
      else if (move.kind === "cursor") moveCursor(move.by, move.selects);
      else if (move.kind === "end") moveCursor(move.last ? Infinity : -Infinity, event.shiftKey);
      else if (move.kind === "zoom") {
        const fixed = hasCursor.value ? player.time.value : middleOf(span.value);
        show(zoomSpan(span.value, whole.value, move.factor, fixed));
      } else if (move.kind === "whole") show(whole.value);
      else if (move.kind === "selection") selection.value && show(selection.value);
      else if (move.kind === "layer") gestures.stepLayer(move.by);
      else leave();
    },
    { signal: closing },
  );
  pane.element.addEventListener("blur", () => point(-1), { signal: closing });
  // --- What is shown.

  let shownSentence: unknown = null;
  frames.watch(() => {
    const key = `${store.get("sentence")} ${store.get("info").sentences[store.get("sentence")]?.version}`;
    if (key === shownSentence) return;
    shownSentence = key;
    zoom.value = null;
    selection.value = null;
    pointed.value = -1;
    hasCursor.value = false;
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
    const next = pageTo(span.peek(), whole.peek(), player.time.value);
    if (next !== span.peek()) show(next);
  });
  frames.watch(() => {
    const time = player.time.value;
    bar.tick(time + offset.value, endOf());
    const marks = {
      row: row.value,
      current: current.value,
      time: hasCursor.value ? time : null,
      selection: selection.value,
    };
    if (!isOpen()) return;
    pane.mark(marks);
    overview.mark(marks.time === null ? null : marks.time + offset.value);
    words.mark(marks.current, source.timing.value.wordOfRow[row.value] ?? -1);
    const weights = source.weights.value;
    view.say(weights ? rowText(row.value, weights, source.timing.value, offset.value) : "");
  });

  /** Where the recording ends. */
  function endOf(): number {
    const last = windows.value[windows.value.length - 1];
    return last ? last.end : offset.value + seconds.value;
  }

  return {
    element: view.element,
    source,
    title: "Sound, attention over time and words, to play",
    hint: "Point at a word to see where its row looks, click it to play it. Space plays, a drag selects, Ctrl + wheel zooms.",
    readsOut: true,
    previews: true,
    combines: true,
    options: ["words", "special", "reading", "aggregate"],
    draw() {
      void size.value;
      const weights = source.weights.value;
      const time = player.time.peek();
      bar.show({
        silence: source.silence.value,
        playing: player.playing.value,
        time: time + offset.value,
        seconds: endOf(),
        offset: offset.value,
        selection: selection.value,
        isZoomed: zoom.value !== null,
        weights: store.get("sound_weights"),
      });
      words.show(source.timing.value.words, offset.value);
      const isPart = zoom.value !== null || windows.value.length > 1;
      view.zoomed(isPart);
      if (isPart) showOverview();
      if (!weights) return;
      const linear = weights.kind === "zscored" || weights.kind === "filtered";
      const enlarged = store.get("zoom") && !printing.value;
      const content = contentOf(source, weights, span.value, store.get("special") === "fade", theme.value);
      pane.show({
        content,
        hasPicture: Boolean(source.info.value?.features),
        hasGold: source.times.value?.gold != null,
        enlarged,
      });
      const times = source.times.value;
      view.foot({
        theme: theme.value,
        top: weights.heard.top,
        linear,
        enlarged,
        weights: weightsText(weights),
        times: times ? timesText(times, source.timing.value) : "",
      });
    },
    reveal(pin) {
      if (pin?.side === "target") pane.reveal(pin.unit);
    },
  };

  function showOverview(): void {
    const alone = { sentence: 0, start: 0, end: whole.value.end, amplitudes: source.amplitudes.value };
    const { start, end } = span.value;
    overview.show({
      parts: parts.value.length > 0 ? parts.value : [alone],
      span: { start: start + offset.value, end: end + offset.value },
      theme: theme.value,
    });
  }
}

function middleOf({ start, end }: Span): number {
  return (start + end) / 2;
}
