// The view of sound: what it hears, attention over it, and the words, on one axis of time that can be played.
import { computed, type ReadonlySignal, signal } from "@preact/signals-core";
import { type Context, outlinesOf } from "../core/context";
import { onRecordChange } from "../core/record_change";
import type { View } from "../core/view";
import { type Axis, createAxis } from "./axis";
import { contentOf, isLinear, type SoundContent } from "./content";
import { peakAmplitudes } from "./pictures";
import { createPlayback } from "./playback";
import { followPlot } from "./plot_input";
import { rowText, stripsNote, timesText, weightsText } from "./says";
import { createSoundSource, type SoundSource, type Weights } from "./source";
import { stripsText } from "./strips";
import { chosenSet, timingSets } from "./timed_by";
import { createSpeech } from "./view";
import { stripCount } from "./weights";

/** The name of the view in the registry. */
const NAME = "sound";

export interface SpeechMounted extends View {
  // For the export:
  source: SoundSource;
  axis: Axis;
  /** The row that stays pinned; -1 for none. */
  pinned(): number;
  content(weights: Weights): SoundContent;
}

export function mountSpeech(context: Context): SpeechMounted {
  const { store, active, colors, theme, size, printing, frames, spoken, paintSoon } = context;
  const isOpen = () => store.get("panel") === NAME;
  const source = createSoundSource(context, isOpen);
  const axis = createAxis(source);
  const playback = createPlayback(context, source, axis, isOpen);
  /** The row that is pointed at; -1 for none. */
  const pointed = signal(-1);
  /** For readers who want no motion, the picture does not follow the words while they are played. */
  const isCalm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const { offset } = axis;

  const parts = computed(() => {
    const { sentences } = store.get("info");
    return playback.windows.value.map((window) => {
      const peaks = sentences[window.sentence]?.sound?.peaks;
      return { ...window, amplitudes: peaks ? peakAmplitudes(peaks) : null };
    });
  });
  const pinned = () => {
    const pin = active.pinned();
    return pin?.side === "target" ? pin.unit : -1;
  };
  /** The row whose attention is shown over the sound. */
  const row: ReadonlySignal<number> = computed(() => {
    if (pointed.value >= 0) return pointed.value;
    const follows = playback.playing.value && !isCalm;
    const heard = follows ? (source.timing.value.words[playback.current.value]?.row ?? -1) : -1;
    return heard >= 0 ? heard : pinned();
  });

  function point(next: number): void {
    pointed.value = next;
  }

  function leave(): void {
    if (axis.selection.value) axis.selection.value = null;
    else {
      point(-1);
      active.unpin();
    }
  }

  const view = createSpeech(
    {
      bar: {
        toggle: playback.toggle,
        zoomToSelection: () => axis.selection.value && axis.show(axis.selection.value),
        clearSelection: () => {
          axis.selection.value = null;
        },
        zoom: axis.zoom,
        whole: () => axis.show(axis.whole.value),
      },
      choices: {
        weights: (sound_weights) => store.set({ sound_weights }),
        timedBy: (word_times_by) => store.set({ word_times_by }),
        combined: (combined) => store.set({ combined }),
      },
      reading: {
        readAll: () => playback.read(playback.unread.value?.end ?? 0),
        stop: playback.stopReading,
      },
      words: {
        play: playback.playWord,
        toggle: playback.toggle,
        leave,
        point: (word) => point(word === null ? -1 : (source.timing.value.words[word]?.row ?? -1)),
      },
      go: playback.go,
      enlarge: () => store.set({ zoom: !store.get("zoom") }),
    },
    playback.element,
    paintSoon,
    context.signal,
  );
  const { pane, bar, overview, words } = view;
  followPlot(context, {
    pane,
    source,
    axis,
    playback,
    row,
    point,
    leave,
    speakRow(next) {
      const weights = source.weights.value;
      if (!weights) return;
      const each = stripsText(source.strips.value, next, offset.value);
      spoken.value = [rowText(next, weights, source.timing.value, offset.value), each]
        .filter(Boolean)
        .join(". ");
    },
  });

  onRecordChange(frames, store, () => {
    axis.reset();
    playback.rewind();
    point(-1);
  });
  frames.watch(() => {
    const time = playback.time.value;
    bar.tick(time + offset.value, endOf());
    const marks = {
      row: row.value,
      current: playback.current.value,
      time: playback.cursor.value,
      selection: axis.selection.value,
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
    const last = playback.windows.value[playback.windows.value.length - 1];
    if (playback.unread.value) return playback.unread.value.end;
    return last ? last.end : offset.value + axis.seconds.value;
  }

  function content(weights: Weights): SoundContent {
    const heads = store.get("heads");
    const count = stripCount(heads, store.get("combined"));
    // More heads than colors cannot be told apart by them.
    const apart = heads.length <= colors.value.length;
    const outlines = apart ? outlinesOf(count, colors.value, false) : [];
    return contentOf(source, weights, {
      span: axis.shown.value,
      fade: store.get("special") === "fade",
      theme: theme.value,
      strips: count > 0 ? { heads: heads.slice(0, count), colors: outlines } : null,
    });
  }

  function showOverview(): void {
    const alone = { sentence: 0, start: 0, end: axis.whole.value.end, amplitudes: source.amplitudes.value };
    const { start, end } = axis.shown.value;
    overview.show({
      parts: parts.value.length > 0 ? parts.value : [alone],
      unread: playback.unread.value,
      span: { start: start + offset.value, end: end + offset.value },
      theme: theme.value,
    });
  }

  return {
    element: view.element,
    source,
    axis,
    pinned,
    content,
    title: "Sound, attention over time and words, to play",
    hint: "Point at a word to see where its row looks, click it to play it. Space plays, a drag selects, Ctrl + wheel zooms.",
    readsOut: true,
    previews: true,
    combines: true,
    options: ["words", "special", "reading", "aggregate"],
    draw() {
      void size.value;
      const weights = source.weights.value;
      const info = source.info.value;
      const heads = store.get("heads");
      bar.show({
        silence: source.silence.value,
        playing: playback.playing.value,
        time: playback.time.peek() + offset.value,
        seconds: endOf(),
        offset: offset.value,
        selection: axis.selection.value,
        isZoomed: axis.isZoomed.value,
      });
      view.choices.show({
        weights: store.get("sound_weights"),
        timedBy: chosenSet(store.get("word_times_by"), info),
        sets: timingSets(info),
        combined: store.get("combined"),
        heads: heads.length,
      });
      view.reading.show({
        unread: playback.unread.value,
        reading: store.get("info").reading ?? false,
        canRead: store.get("info").has_kernel,
      });
      words.show(source.timing.value.words, offset.value);
      const isPart =
        axis.isZoomed.value || playback.windows.value.length > 1 || playback.unread.value !== null;
      view.zoomed(isPart);
      if (isPart) showOverview();
      if (!weights) return;
      const enlarged = store.get("zoom") && !printing.value;
      pane.show({
        content: content(weights),
        hasPicture: Boolean(info?.features),
        hasGold: source.times.value?.gold != null,
        enlarged,
      });
      const times = source.times.value;
      view.foot({
        theme: theme.value,
        top: weights.heard.top,
        linear: isLinear(weights),
        enlarged,
        weights: [weightsText(weights), stripsNote(heads, store.get("combined"))].filter(Boolean).join(". "),
        times:
          times && times.words.length > 0 ? timesText(times, source.timing.value, source.refused.value) : "",
      });
    },
    reveal(pin) {
      if (pin?.side === "target") pane.reveal(pin.unit);
    },
  };
}
