// Gestures of the pointer on an axis of time: pointing, clicking, selecting by a drag, zooming by the wheel or a pinch.

export interface AxisGestures {
  /** The pointer is at a place without a button held; null where it has left. */
  point(event: PointerEvent | null): void;
  click(event: PointerEvent): void;
  /** A drag began at `from` and has come to `to`, in pixels from the left of the element. */
  select(from: number, to: number): void;
  /** The axis is to move by so many pixels. */
  pan(by: number): void;
  /** It is to show `factor` times as much, with what is at `x` staying there. */
  zoom(factor: number, x: number): void;
  /** Whether a finger pans; else it selects, as a mouse does. */
  pans(): boolean;
}

/** A shorter way is a click. */
const DRAG = 4;

export function followAxis(element: HTMLElement, gestures: AxisGestures, signal: AbortSignal): void {
  const held = new Map<number, number>();
  let began: { x: number; panned: number; dragged: boolean; touch: boolean } | null = null;
  const placeOf = (event: MouseEvent) => event.clientX - element.getBoundingClientRect().left;
  const on = <K extends keyof HTMLElementEventMap>(name: K, act: (event: HTMLElementEventMap[K]) => void) =>
    element.addEventListener(name, act, { signal, passive: false });

  /** Two fingers: the distance between them, and what is between them. */
  function fingers(): { apart: number; middle: number } {
    const [a = 0, b = 0] = held.values();
    return { apart: Math.max(1, Math.abs(a - b)), middle: (a + b) / 2 };
  }

  on("pointerdown", (event) => {
    if (event.button !== 0) return;
    const x = placeOf(event);
    held.set(event.pointerId, x);
    if (held.size > 1) {
      began = null;
      return;
    }
    began = { x, panned: x, dragged: false, touch: event.pointerType === "touch" };
  });
  on("pointermove", (event) => {
    const x = placeOf(event);
    if (held.size > 1 && held.has(event.pointerId)) {
      const before = fingers();
      held.set(event.pointerId, x);
      const now = fingers();
      gestures.pan(before.middle - now.middle);
      gestures.zoom(before.apart / now.apart, now.middle);
      return;
    }
    if (held.has(event.pointerId)) held.set(event.pointerId, x);
    if (!began) {
      gestures.point(event);
      return;
    }
    if (!began.dragged && Math.abs(x - began.x) < DRAG) return;
    if (!began.dragged) element.setPointerCapture(event.pointerId);
    began.dragged = true;
    if (began.touch && gestures.pans()) {
      gestures.pan(began.panned - x);
      began.panned = x;
    } else gestures.select(began.x, x);
  });
  const end = (event: PointerEvent) => {
    const was = began;
    held.delete(event.pointerId);
    began = null;
    if (was && !was.dragged && event.type === "pointerup") gestures.click(event);
  };
  on("pointerup", end);
  on("pointercancel", end);
  on("pointerleave", (event) => {
    if (!held.has(event.pointerId)) gestures.point(null);
  });
  on("wheel", (event) => {
    const unit = event.deltaMode === 1 ? 16 : 1;
    // The wheel alone scrolls the page. A pinch on a touchpad arrives as the wheel with Ctrl.
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      gestures.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY * unit)) / 100), placeOf(event));
      return;
    }
    const across = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
    if (Math.abs(across) <= Math.abs(event.shiftKey ? 0 : event.deltaY) || !gestures.pans()) return;
    event.preventDefault();
    gestures.pan(across * unit);
  });
}
