// The target words as a strip of buttons: pointing at one shows where it was read from, and those that read a part of
// the picture are marked.
import { h, setText } from "../core/dom";
import { tokenText, tokenTitle } from "../core/format";
import { claim } from "../core/keyboard";
import { followPointing } from "../core/pointing";
import { weightShade } from "../core/scales";
import { oneTabStop } from "../core/tab_stop";
import { READER } from "../core/totals";
import type { Units } from "../core/units";

export interface WordsEvents {
  point(unit: number | null): void;
  pin(unit: number): void;
  leave(): void;
  layer(by: number): void;
}

export interface WordsMarks {
  /** The word whose weights are drawn, and the pinned one; -1 for none. */
  shown: number;
  pinned: number;
  /** The weight of each word on the part of the picture that is pointed at; null where none is. */
  readers: Float32Array | null;
}

export interface WordStrip {
  element: HTMLElement;
  show(units: Units, fade: boolean): void;
  mark(marks: WordsMarks): void;
  /** Scrolls a word into sight, without moving the page. */
  reveal(unit: number): void;
}

/** Weights are shown in so many steps, so that few buttons change as the pointer moves. */
const STEPS = 10;
/** The weight of the strongest mark, where no word has more: words that hardly read the part are marked faintly. */
const STRONG = 0.1;

export function createWordStrip(events: WordsEvents, signal: AbortSignal): WordStrip {
  const element = h("div", {
    class: "xattn-image-words",
    attrs: {
      role: "group",
      "aria-label": "Target words; arrow keys walk along, Enter pins one, Escape unpins",
    },
  });
  let shown: { units: Units; fade: boolean } | null = null;
  let buttons: HTMLButtonElement[] = [];
  let steps = new Uint8Array(0);
  let [active, pinned] = [-1, -1];

  const unitOf = (target: EventTarget | null): number | null => {
    const button = target instanceof Element ? target.closest("button") : null;
    return button && element.contains(button) ? Number(button.dataset.unit) : null;
  };
  element.addEventListener(
    "click",
    (event) => {
      const unit = unitOf(event.target);
      if (unit !== null) events.pin(unit);
    },
    { signal },
  );
  element.addEventListener(
    "keydown",
    (event) => {
      const unit = unitOf(event.target);
      if (unit === null || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "ArrowUp" || event.key === "ArrowDown") {
        claim(event);
        lineFrom(unit, event.key === "ArrowUp" ? -1 : 1)?.focus();
      } else if (event.key === "PageUp" || event.key === "PageDown") {
        claim(event);
        events.layer(event.key === "PageUp" ? -1 : 1);
      } else if (event.key === "Escape") {
        claim(event);
        events.leave();
      }
    },
    { signal },
  );
  followPointing(element, unitOf, events.point, signal);
  const tabStop = oneTabStop(element, () => buttons.map((button) => [button]), signal);

  /** The button above or below. */
  function lineFrom(unit: number, by: number): HTMLElement | undefined {
    const boxes = buttons.map((button) => button.getBoundingClientRect());
    const from = boxes[unit];
    if (!from) return undefined;
    const middle = (from.left + from.right) / 2;
    let next = unit + by;
    while (boxes[next] && by * ((boxes[next]?.top ?? 0) - from.top) <= 4) next += by;
    const line = boxes[next];
    if (!line) return undefined;
    let [best, nearest] = [-1, Number.POSITIVE_INFINITY];
    boxes.forEach((box, i) => {
      if (Math.abs(box.top - line.top) > 4) return;
      const distance = Math.abs((box.left + box.right) / 2 - middle);
      if (distance < nearest) [best, nearest] = [i, distance];
    });
    return buttons[best];
  }

  function button(units: Units, unit: number, fade: boolean): HTMLButtonElement {
    const label = units.labels[unit] ?? "";
    const special = units.special[unit] ?? false;
    const made = h("button", {
      class: `xattn-image-word${special ? " xattn-special" : ""}${special && fade ? " xattn-faint" : ""}`,
      title: tokenTitle(label),
      attrs: { type: "button", "data-unit": String(unit), dir: "auto", "aria-pressed": "false" },
    });
    setText(made, tokenText(label));
    return made;
  }

  return {
    element,
    show(units, fade) {
      if (shown?.units === units && shown.fade === fade) return;
      const keep = buttons.findIndex((other) => other.matches(":focus"));
      shown = { units, fade };
      buttons = units.labels.map((_, unit) => button(units, unit, fade));
      element.replaceChildren(...buttons.flatMap((one) => [one, " "]));
      steps = new Uint8Array(buttons.length);
      [active, pinned] = [-1, -1];
      tabStop.refresh();
      if (keep >= 0) buttons[keep]?.focus();
    },
    mark(marks) {
      const { readers } = marks;
      const top = readers?.reduce((most, weight) => Math.max(most, weight), STRONG) ?? 0;
      buttons.forEach((one, unit) => {
        const weight = readers?.[unit] ?? 0;
        const step = weight < READER ? 0 : Math.round(STEPS * weightShade(weight, top));
        if (step === steps[unit]) return;
        steps[unit] = step;
        if (step > 0) one.style.setProperty("--xattn-read", `${(100 * step) / STEPS}%`);
        else one.style.removeProperty("--xattn-read");
      });
      if (active !== marks.shown) {
        buttons[active]?.classList.remove("xattn-pointed");
        buttons[marks.shown]?.classList.add("xattn-pointed");
        active = marks.shown;
      }
      if (pinned !== marks.pinned) {
        buttons[pinned]?.setAttribute("aria-pressed", "false");
        buttons[marks.pinned]?.setAttribute("aria-pressed", "true");
        pinned = marks.pinned;
      }
    },
    reveal(unit) {
      const one = buttons[unit];
      if (!one || element.scrollHeight <= element.clientHeight) return;
      const top = one.offsetTop - element.offsetTop;
      if (top < element.scrollTop || top + one.offsetHeight > element.scrollTop + element.clientHeight)
        element.scrollTop = top - element.clientHeight / 3;
    },
  };
}
