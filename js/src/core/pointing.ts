// Which head is pointed at: under the pointer, or with the focus of the keyboard. A finger points at none.
import type { Head } from "./contract";

/** `headAt` finds the head of an element inside; `point` is told about every change, and of null for none. */
export function followPointing(
  element: HTMLElement,
  headAt: (target: EventTarget | null) => Head | null,
  point: (head: Head | null) => void,
  signal: AbortSignal,
): void {
  let hovered: Head | null = null;
  let focused: Head | null = null;
  const tell = () => point(hovered ?? focused);
  element.addEventListener(
    "pointerover",
    (event) => {
      // In the gaps between heads the last one stays, without a flicker.
      if (event.pointerType === "touch" || event.target === element) return;
      hovered = headAt(event.target);
      tell();
    },
    { signal },
  );
  element.addEventListener(
    "pointerleave",
    () => {
      hovered = null;
      tell();
    },
    { signal },
  );
  element.addEventListener(
    "focusin",
    ({ target }) => {
      // A click focuses as well, but the head that it picks needs no preview.
      focused = target instanceof Element && target.matches(":focus-visible") ? headAt(target) : null;
      tell();
    },
    { signal },
  );
  element.addEventListener(
    "focusout",
    ({ relatedTarget }) => {
      if (relatedTarget instanceof Node && element.contains(relatedTarget)) return;
      focused = null;
      tell();
    },
    { signal },
  );
}
