// The whole recording as a strip: its windows with their waveforms, the part that is shown, and the cursor. A drag moves
// the part; a click goes there.
import { h, prepareCanvas } from "../core/dom";
import type { Theme } from "../core/theme";
import { type Amplitudes, waveOf } from "./pictures";
import type { Unread } from "./recording";
import { lengthOf, type Span } from "./timeline";

/** A window of the recording. */
export interface Part extends Span {
  /** The index of its record in the list of sentences. */
  sentence: number;
  amplitudes: Amplitudes | null;
}

export interface OverviewProps {
  parts: readonly Part[];
  /** What has not been read yet: it has no waveform. */
  unread: Unread | null;
  /** The part that is shown, in seconds of the recording, as are all times here. */
  span: Span;
  theme: Theme;
}

export interface Overview {
  element: HTMLElement;
  show(props: OverviewProps): void;
  mark(time: number | null): void;
}

const HEIGHT = 24;
const DOTS = 6;

/** `go` is told the time in the recording that is to be in the middle. */
export function createOverview(go: (time: number) => void, signal: AbortSignal): Overview {
  const base = h("canvas");
  const marks = h("canvas");
  const element = h(
    "div",
    {
      class: "xattn-sound-overview",
      title: "The whole recording: drag the shown part, or click where to go",
      attrs: { "aria-hidden": "true" },
    },
    base,
    marks,
  );
  let props: OverviewProps | null = null;
  let dragging = false;

  const whole = (): Span => ({
    start: props?.parts[0]?.start ?? 0,
    end: props?.parts.reduce((end, part) => Math.max(end, part.end), props.unread?.end ?? 0) || 1,
  });
  const width = () => Math.max(60, element.clientWidth);
  const xOf = (time: number) => ((time - whole().start) / lengthOf(whole())) * width();

  function follow(event: PointerEvent): void {
    const { left } = element.getBoundingClientRect();
    go(whole().start + ((event.clientX - left) / width()) * lengthOf(whole()));
  }
  element.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button !== 0) return;
      dragging = true;
      element.setPointerCapture(event.pointerId);
      follow(event);
    },
    { signal },
  );
  element.addEventListener("pointermove", (event) => dragging && follow(event), { signal });
  for (const name of ["pointerup", "pointercancel"] as const)
    element.addEventListener(
      name,
      () => {
        dragging = false;
      },
      { signal },
    );

  function paint(): void {
    const context = props && prepareCanvas(base, width(), HEIGHT);
    if (!props || !context) return;
    const { parts, unread, span, theme } = props;
    context.fillStyle = theme.muted;
    for (const part of parts) {
      const [x1, x2] = [xOf(part.start), xOf(part.end)];
      const pixels = Math.max(1, Math.round(x2 - x1));
      const length = part.end - part.start;
      const wave = part.amplitudes
        ? waveOf(part.amplitudes, length, { start: 0, end: length }, pixels)
        : new Float32Array(pixels);
      wave.forEach((value, x) => {
        const height = Math.max(1, value * (HEIGHT - 6));
        context.fillRect(x1 + x, (HEIGHT - height) / 2, 1, height);
      });
      if (part !== parts[0]) context.fillRect(x1, 0, 1, HEIGHT);
    }
    if (unread) {
      const [from, to] = [xOf(unread.from), xOf(unread.end)];
      context.globalAlpha = 0.5;
      context.fillRect(from, 0, 1, HEIGHT);
      // Dots instead of a waveform.
      for (let x = from + DOTS; x < to; x += DOTS) context.fillRect(x, HEIGHT / 2 - 1, 2, 2);
      context.globalAlpha = 1;
    }
    // What is not shown is veiled.
    const [x1, x2] = [xOf(span.start), Math.max(xOf(span.start) + 4, xOf(span.end))];
    context.globalAlpha = 0.65;
    context.fillStyle = theme.paper;
    context.fillRect(0, 0, x1, HEIGHT);
    context.fillRect(x2, 0, width() - x2, HEIGHT);
    context.globalAlpha = 1;
    context.strokeStyle = theme.accent;
    context.lineWidth = 1.5;
    context.strokeRect(x1 + 0.75, 0.75, x2 - x1 - 1.5, HEIGHT - 1.5);
  }

  return {
    element,
    show(next) {
      props = next;
      paint();
    },
    mark(time) {
      const context = props && prepareCanvas(marks, width(), HEIGHT);
      if (!context || !props || time === null) return;
      context.fillStyle = props.theme.foreground;
      context.fillRect(xOf(time) - 0.75, 0, 1.5, HEIGHT);
    },
  };
}
