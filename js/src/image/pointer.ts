// Gestures of the pointer on the picture: pointing, clicking, a box by a drag, moving the shown part, and zooming.

export interface PictureGestures {
  /** The pointer is at a place without a button held; null where it has left. */
  point(at: [x: number, y: number] | null): void;
  click(x: number, y: number): void;
  /** A drag began at one place and has come to another. */
  select(from: [x: number, y: number], to: [x: number, y: number]): void;
  /** The shown part is to move by so many pixels. */
  pan(dx: number, dy: number): void;
  /** It is to show `1 / factor` as much, with what is at this place staying there. */
  zoom(factor: number, x: number, y: number): void;
  /** Whether a part of the picture is shown, so that a finger moves it. */
  pans(): boolean;
}

/** A shorter way is a click. */
const DRAG = 4;

type Place = [x: number, y: number];

export function followPicture(element: HTMLElement, gestures: PictureGestures, signal: AbortSignal): void {
  const held = new Map<number, Place>();
  let began: { from: Place; last: Place; dragged: boolean; moves: boolean } | null = null;
  const placeOf = (event: MouseEvent): Place => {
    const { left, top } = element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const on = <K extends keyof HTMLElementEventMap>(name: K, act: (event: HTMLElementEventMap[K]) => void) =>
    element.addEventListener(name, act, { signal, passive: false });

  /** Two fingers: the distance between them, and what is between them. */
  function fingers() {
    const [[ax, ay] = [0, 0], [bx, by] = [0, 0]] = [...held.values()];
    return { apart: Math.max(1, Math.hypot(ax - bx, ay - by)), x: (ax + bx) / 2, y: (ay + by) / 2 };
  }

  on("pointerdown", (event) => {
    const middle = event.button === 1;
    if (event.button !== 0 && !middle) return;
    if (middle) event.preventDefault();
    const place = placeOf(event);
    held.set(event.pointerId, place);
    const moves = middle || event.shiftKey || (event.pointerType === "touch" && gestures.pans());
    began = held.size > 1 ? null : { from: place, last: place, dragged: false, moves };
  });
  on("pointermove", (event) => {
    const place = placeOf(event);
    if (held.size > 1 && held.has(event.pointerId)) {
      const before = fingers();
      held.set(event.pointerId, place);
      const now = fingers();
      gestures.pan(before.x - now.x, before.y - now.y);
      gestures.zoom(now.apart / before.apart, now.x, now.y);
      return;
    }
    if (held.has(event.pointerId)) held.set(event.pointerId, place);
    if (!began) {
      if (event.pointerType !== "touch") gestures.point(place);
      return;
    }
    if (!began.dragged && Math.hypot(place[0] - began.from[0], place[1] - began.from[1]) < DRAG) return;
    if (!began.dragged) element.setPointerCapture(event.pointerId);
    began.dragged = true;
    if (began.moves) gestures.pan(began.last[0] - place[0], began.last[1] - place[1]);
    else gestures.select(began.from, place);
    began.last = place;
  });
  const end = (event: PointerEvent) => {
    const was = began;
    held.delete(event.pointerId);
    began = null;
    if (was && !was.dragged && event.type === "pointerup" && event.button === 0)
      gestures.click(...placeOf(event));
  };
  on("pointerup", end);
  on("pointercancel", end);
  on("pointerleave", (event) => {
    if (!held.has(event.pointerId)) gestures.point(null);
  });
  on("wheel", (event) => {
    // The wheel alone scrolls the page. A pinch on a touchpad arrives as the wheel with Ctrl.
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const step = Math.max(-60, Math.min(60, event.deltaY * (event.deltaMode === 1 ? 16 : 1)));
    gestures.zoom(Math.exp(-step / 100), ...placeOf(event));
  });
}
