// The part of the axis of time that is shown, and the part that is selected.
import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals-core";
import { type SoundSource, secondsOf } from "./source";
import { fitSpan, isZoomed, lengthOf, type Span, zoomSpan } from "./timeline";

/** Times are in seconds of the record's own sound. */
export interface Axis {
  /** Where the sound ends. */
  seconds: ReadonlySignal<number>;
  /** Where the sound begins in the recording. */
  offset: ReadonlySignal<number>;
  whole: ReadonlySignal<Span>;
  shown: ReadonlySignal<Span>;
  isZoomed: ReadonlySignal<boolean>;
  selection: Signal<Span | null>;
  show(span: Span): void;
  /** Shows `factor` times as much; the time `fixed`, or else the middle, stays where it is. */
  zoom(factor: number, fixed?: number): void;
  /** Shows everything and selects nothing, for another record. */
  reset(): void;
}

export function createAxis(source: SoundSource): Axis {
  const zoomed = signal<Span | null>(null);
  const selection = signal<Span | null>(null);
  const seconds = computed(() => secondsOf(source.weights.value?.scene ?? null, source.info.value));
  const whole = computed((): Span => {
    const places = source.weights.value?.places ?? [];
    return { start: 0, end: Math.max(seconds.value, places[places.length - 1]?.end ?? 0) || 1 };
  });
  const shown = computed(() => (zoomed.value ? fitSpan(zoomed.value, whole.value) : whole.value));

  function show(span: Span): void {
    zoomed.value = isZoomed(span, whole.peek()) ? fitSpan(span, whole.peek()) : null;
  }

  return {
    seconds,
    offset: computed(() => source.info.value?.offset ?? 0),
    whole,
    shown,
    isZoomed: computed(() => zoomed.value !== null),
    selection,
    show,
    zoom(factor, fixed) {
      const span = shown.peek();
      show(zoomSpan(span, whole.peek(), factor, fixed ?? span.start + lengthOf(span) / 2));
    },
    reset() {
      zoomed.value = null;
      selection.value = null;
    },
  };
}
