// What is pointed at in a group, such as a head or a word: under the pointer, or with the focus of the keyboard. A finger
// points at nothing.

/**
 * `find` gives the thing that an element inside belongs to, null for none; `point` is told about every change, and null
 * at the end.
 */
export function followPointing<Thing>(
  element: HTMLElement,
  find: (target: EventTarget | null) => Thing | null,
  point: (thing: Thing | null) => void,
  signal: AbortSignal,
): void {
  let hovered: Thing | null = null;
  let focused: Thing | null = null;
  const tell = () => point(hovered ?? focused);
  element.addEventListener(
    "pointerover",
    (event) => {
      // In the gaps between things the last one stays, without a flicker.
      if (event.pointerType === "touch" || event.target === element) return;
      hovered = find(event.target);
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
      // A click focuses as well, but what it picks needs no preview.
      focused = target instanceof Element && target.matches(":focus-visible") ? find(target) : null;
      // Whoever walks by keys has left the pointer where it was.
      if (focused !== null) hovered = null;
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
