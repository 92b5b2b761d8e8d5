// What the pointer and the keys do on the plot.
import type { ReadonlySignal } from "@preact/signals-core";
import type { Context } from "../core/context";
import { claim } from "../core/keyboard";
import type { Axis } from "./axis";
import { cursorStep, soundMove } from "./keys";
import { isIn, timeAt } from "./layout";
import type { SoundPane } from "./pane";
import type { Playback } from "./playback";
import { followAxis } from "./pointer";
import type { SoundSource } from "./source";
import { indexAt, lengthOf, pageTo, panSpan } from "./timeline";

export interface PlotParts {
  pane: SoundPane;
  source: SoundSource;
  axis: Axis;
  playback: Playback;
  /** The row whose attention is shown; -1 for none. */
  row: ReadonlySignal<number>;
  /** Points at a row; -1 for none. */
  point(row: number): void;
  /** Escape: clears what is selected, pointed at or pinned. */
  leave(): void;
  /** Reads out a row. */
  speakRow(row: number): void;
}

export function followPlot(context: Context, parts: PlotParts): void {
  const { pane, source, axis, playback, row, point, leave, speakRow } = parts;
  const { active, gestures, spoken, signal } = context;

  function playRow(index: number): void {
    const word = source.timing.value.wordOfRow[index] ?? -1;
    if (word >= 0) playback.playWord(word);
    else if (index >= 0) active.toggle({ side: "target", unit: index });
  }

  const placeOf = (event: MouseEvent) => {
    const layout = pane.layout();
    const [head, rows] = [pane.head.getBoundingClientRect(), pane.rows.getBoundingClientRect()];
    const y = event.clientY - head.top;
    const inRows = event.clientY >= rows.top && event.clientY < rows.bottom;
    const time = layout ? timeAt(layout, axis.shown.value, event.clientX - head.left) : 0;
    return { layout, y, time, index: inRows ? pane.rowAt(event.clientY - rows.top) : -1, inRows };
  };
  const rowAtTime = (time: number) => {
    const { words } = source.timing.value;
    return words[indexAt(words, time)]?.row ?? -1;
  };
  const timeOfX = (x: number) => {
    const layout = pane.layout();
    const time = layout ? timeAt(layout, axis.shown.value, x) : 0;
    return Math.max(0, Math.min(axis.seconds.value, time));
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
          axis.selection.value = null;
          playback.seek(time);
        }
      },
      select(from, to) {
        const [a, b] = [timeOfX(from), timeOfX(to)];
        axis.selection.value = { start: Math.min(a, b), end: Math.max(a, b) };
      },
      pan(by) {
        const [layout, shown] = [pane.layout(), axis.shown.value];
        if (layout) axis.show(panSpan(shown, axis.whole.value, (by / layout.plot.width) * lengthOf(shown)));
      },
      zoom(factor, x) {
        const layout = pane.layout();
        if (layout) axis.zoom(factor, timeAt(layout, axis.shown.value, x));
      },
      pans: () => axis.isZoomed.value,
    },
    signal,
  );

  function walk(by: number): void {
    const count = source.weights.value?.heard.rows ?? 0;
    const next = Math.max(0, Math.min(count - 1, row.value < 0 && by > 0 ? 0 : row.value + by));
    point(next);
    pane.reveal(next);
    speakRow(next);
  }

  function moveCursor(by: number, selects: boolean): void {
    const from = playback.time.value;
    const step = by * cursorStep(lengthOf(axis.shown.value));
    const to = Math.max(0, Math.min(axis.seconds.value, from + step));
    if (selects) {
      const { start, end } = axis.selection.value ?? { start: from, end: from };
      // The edge at the cursor moves, the other one stays.
      const fixed = Math.abs(from - end) <= Math.abs(from - start) ? start : end;
      axis.selection.value = { start: Math.min(fixed, to), end: Math.max(fixed, to) };
    }
    playback.seek(to);
    axis.show(pageTo(axis.shown.value, axis.whole.value, to));
    spoken.value = `${(to + axis.offset.value).toFixed(2)} seconds`;
  }

  pane.element.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const move = soundMove(event.key, event.shiftKey);
      if (!move) return;
      claim(event);
      const selection = axis.selection.value;
      if (move.kind === "play") playback.toggle();
      else if (move.kind === "word") {
        if (row.value >= 0) playRow(row.value);
        else if (selection) playback.play(selection);
      } else if (move.kind === "walk") walk(move.by);
      else if (move.kind === "cursor") moveCursor(move.by, move.selects);
      else if (move.kind === "end") moveCursor(move.last ? Infinity : -Infinity, event.shiftKey);
      else if (move.kind === "zoom") axis.zoom(move.factor, playback.cursor.value ?? undefined);
      else if (move.kind === "whole") axis.show(axis.whole.value);
      else if (move.kind === "selection") selection && axis.show(selection);
      else if (move.kind === "layer") gestures.stepLayer(move.by);
      else leave();
    },
    { signal },
  );
  pane.element.addEventListener("blur", () => point(-1), { signal });
}
