// A button and what it opens below itself. Escape closes it and gives the focus back; leaving it closes it as well.
import { focusedIn, h } from "./dom";
import { claim } from "./keyboard";

export interface Popover {
  element: HTMLElement;
  /** Opens or closes it. Closing gives the focus back to where it was, if it is inside. */
  open(on: boolean): void;
}

/** `content` needs an id. */
export function createPopover(
  toggle: HTMLButtonElement,
  content: HTMLElement,
  root: HTMLElement,
  signal: AbortSignal,
): Popover {
  toggle.setAttribute("aria-controls", content.id);
  const element = h("div", { class: "xattn-popover" }, toggle, content);
  let before: HTMLElement = toggle;

  function show(on: boolean): void {
    content.hidden = !on;
    toggle.setAttribute("aria-expanded", String(on));
  }

  function open(on: boolean): void {
    const focused = focusedIn(root);
    if (on) before = focused instanceof HTMLElement && root.contains(focused) ? focused : toggle;
    else if (content.contains(focused)) (before.isConnected ? before : toggle).focus();
    show(on);
  }

  show(false);
  toggle.addEventListener("click", () => open(Boolean(content.hidden)), { signal });
  element.addEventListener(
    "focusout",
    (event) => {
      if (event.relatedTarget instanceof Node && !element.contains(event.relatedTarget)) show(false);
    },
    { signal },
  );
  root.addEventListener(
    "pointerdown",
    (event) => {
      if (event.target instanceof Node && !element.contains(event.target)) show(false);
    },
    { signal },
  );
  element.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape" || content.hidden) return;
      claim(event);
      open(false);
    },
    { signal },
  );
  return { element, open };
}
