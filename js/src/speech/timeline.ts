// The axis of time: the part of it that is shown, its ticks, and what lies at a time. Times are in seconds.

export interface Span {
  start: number;
  end: number;
}

/** The shortest part of the axis that can be shown. */
const SHORTEST = 0.2;
/** Steps between labeled ticks. */
const STEPS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800];

export function lengthOf({ start, end }: Span): number {
  return end - start;
}

/** The span moved and cut so that it lies inside the whole. */
export function fitSpan(span: Span, whole: Span): Span {
  const length = Math.min(lengthOf(whole), Math.max(Math.min(SHORTEST, lengthOf(whole)), lengthOf(span)));
  const start = Math.max(whole.start, Math.min(whole.end - length, span.start));
  return { start, end: start + length };
}

/** Shows `factor` times as much, with the time `fixed` staying where it is. */
export function zoomSpan(span: Span, whole: Span, factor: number, fixed: number): Span {
  const length = Math.max(SHORTEST, Math.min(lengthOf(whole), lengthOf(span) * factor));
  const share = lengthOf(span) > 0 ? (fixed - span.start) / lengthOf(span) : 0.5;
  const start = fixed - share * length;
  return fitSpan({ start, end: start + length }, whole);
}

export function panSpan(span: Span, whole: Span, by: number): Span {
  return fitSpan({ start: span.start + by, end: span.end + by }, whole);
}

/** The span turned the page so that it shows a time; unchanged if it does. */
export function pageTo(span: Span, whole: Span, time: number): Span {
  if (time >= span.start && time <= span.end) return span;
  const start = time - 0.05 * lengthOf(span);
  return fitSpan({ start, end: start + lengthOf(span) }, whole);
}

/** Whether less than everything is shown. */
export function isZoomed(span: Span, whole: Span): boolean {
  return lengthOf(span) < lengthOf(whole) - 1e-6;
}

export interface Ticks {
  /** The distance between labeled ticks. */
  step: number;
  times: number[];
}

/** Ticks at least `apart` pixels from each other on an axis of `width` pixels. */
export function ticksOf(span: Span, width: number, apart: number): Ticks {
  const least = (lengthOf(span) / Math.max(1, width)) * apart;
  const step = STEPS.find((candidate) => candidate >= least) ?? 3600;
  const times: number[] = [];
  for (let i = Math.ceil(span.start / step - 1e-9); i * step <= span.end + 1e-9; i++) times.push(i * step);
  return { step, times };
}

/** A time as 3.42 s or 1:03.4, with as many decimals as the step has. */
export function timeText(seconds: number, step = 0.01): string {
  const decimals = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
  const rounded = Number(seconds.toFixed(decimals));
  if (rounded < 60) return `${rounded.toFixed(decimals)} s`;
  const minutes = Math.floor(rounded / 60);
  const rest = (rounded - 60 * minutes).toFixed(decimals);
  return `${minutes}:${rest.padStart(decimals > 0 ? decimals + 3 : 2, "0")}`;
}

/** From when to when, as 3.42–3.80 s; `offset` is added to both. */
export function spanText({ start, end }: Span, offset = 0): string {
  const [from, to] = [start + offset, end + offset];
  return to < 60 ? `${from.toFixed(2)}–${to.toFixed(2)} s` : `${timeText(from)}–${timeText(to)}`;
}

/** A difference of times in milliseconds, always with its sign. */
export function errorText(seconds: number): string {
  const ms = Math.round(1000 * seconds);
  return `${ms < 0 ? "−" : "+"}${Math.abs(ms)} ms`;
}

/** The last of the spans, in order, that contains a time; -1 for none. */
export function indexAt(spans: readonly Span[], time: number): number {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((spans[middle]?.start ?? 0) <= time) low = middle + 1;
    else high = middle;
  }
  const index = low - 1;
  return index >= 0 && time < (spans[index]?.end ?? 0) ? index : -1;
}
