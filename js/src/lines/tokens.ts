// One side of the sentence: a list of tokens with one tab stop, hover, focus and pin.

import type { Layout, Side } from "../core/contract";
import { bdi, h } from "../core/dom";
import { tokenText, tokenTitle } from "../core/format";
import { claim, type TokenMove, tokenMove } from "../core/keyboard";
import type { Units } from "../core/units";
import type { Slots } from "./geometry";

export interface TokenEvents {
  hover(side: Side, unit: number | null): void;
  focus(side: Side, unit: number | null): void;
  click(side: Side, unit: number): void;
  move(side: Side, unit: number, move: TokenMove): void;
}

export interface TokenList {
  element: HTMLElement;
  show(units: Units, slots: Slots, layout: Layout, vertical: boolean, fade: boolean): void;
  /** Marks the active token, or its partners with their weights as text. */
  mark(active: number | null, partners: ReadonlyMap<number, string>): void;
  /** Outlines the pinned token, also while another one is active. */
  pin(unit: number | null): void;
  /** Marks the tokens that a search found. */
  found(units: ReadonlySet<number>): void;
  focus(unit: number): void;
  setTabStop(unit: number): void;
}

export function createTokenList(side: Side, events: TokenEvents, signal: AbortSignal): TokenList {
  const element = h("div", {
    class: `xattn-tokens xattn-${side}`,
    attrs: { role: "listbox", "aria-label": `${side} tokens` },
  });
  let tokens: HTMLElement[] = [];
  let marked: HTMLElement[] = [];
  let shown: { units: Units; slots: Slots; layout: Layout; vertical: boolean; fade: boolean } | null = null;
  let tabStop: HTMLElement | null = null;

  function unitOf(target: EventTarget | null): number | null {
    const token = target instanceof Element ? target.closest<HTMLElement>(".xattn-token") : null;
    return token && element.contains(token) ? Number(token.dataset.unit) : null;
  }

  function setTabStop(unit: number): void {
    const token = tokens[unit];
    if (!token || token === tabStop) return;
    if (tabStop) tabStop.tabIndex = -1;
    token.tabIndex = 0;
    tabStop = token;
  }

  let hovered: number | null = null;
  function hover(unit: number | null): void {
    if (unit === hovered) return;
    hovered = unit;
    events.hover(side, unit);
  }
  element.addEventListener("pointerover", (event) => hover(unitOf(event.target)), { signal });
  element.addEventListener("pointerleave", () => hover(null), { signal });
  element.addEventListener(
    "click",
    (event) => {
      const unit = unitOf(event.target);
      if (unit === null) return;
      setTabStop(unit);
      events.click(side, unit);
    },
    { signal },
  );
  element.addEventListener(
    "focusin",
    (event) => {
      const unit = unitOf(event.target);
      if (unit !== null) setTabStop(unit);
      // A click focuses as well; only keyboard focus is read out.
      if (event.target instanceof Element && event.target.matches(":focus-visible")) events.focus(side, unit);
    },
    { signal },
  );
  element.addEventListener("focusout", () => events.focus(side, null), { signal });
  element.addEventListener(
    "keydown",
    (event) => {
      const unit = unitOf(event.target);
      if (unit === null || !shown || event.ctrlKey || event.metaKey || event.altKey) return;
      const move = tokenMove(event.key, shown.layout);
      if (!move) return;
      claim(event);
      events.move(side, unit, move);
    },
    { signal },
  );

  return {
    element,
    show(units, slots, layout, vertical, fade) {
      if (shown?.units !== units) {
        tokens = units.labels.map((label, unit) =>
          h(
            "div",
            {
              class: "xattn-token",
              attrs: { role: "option", tabindex: "-1", "data-unit": String(unit), "aria-selected": "false" },
            },
            bdi(label),
          ),
        );
        units.special.forEach((special, unit) => {
          tokens[unit]?.classList.toggle("xattn-special", special);
        });
        units.asides.forEach((aside, unit) => {
          const token = tokens[unit];
          if (aside === null || !token) return;
          const label = units.labels[unit] ?? "";
          token.title = `${tokenTitle(label)} (${tokenTitle(aside)})`;
          token.setAttribute("aria-label", `${tokenText(label)}, ${tokenText(aside)}`);
          token.append(h("span", { class: "xattn-aside" }, bdi(aside)));
          for (const part of token.querySelectorAll("bdi")) part.removeAttribute("title");
        });
        element.replaceChildren(...tokens);
        tabStop = null;
        marked = [];
        hovered = null;
        setTabStop(0);
      }
      const placed = shown?.units === units && shown.slots === slots && shown.layout === layout;
      if (!placed)
        tokens.forEach((token, unit) => {
          const start = slots.edges[unit] ?? 0;
          const size = (slots.edges[unit + 1] ?? 0) - start;
          const columns = layout === "columns";
          token.style.top = columns ? `${start}px` : "";
          token.style.height = columns ? `${size}px` : "";
          token.style.left = columns ? "" : `${start}px`;
          token.style.width = columns ? "" : `${size}px`;
        });
      element.classList.toggle("xattn-vertical", vertical);
      element.classList.toggle("xattn-fade", fade);
      element.setAttribute("aria-orientation", layout === "columns" ? "vertical" : "horizontal");
      shown = { units, slots, layout, vertical, fade };
    },
    mark(active, partners) {
      for (const token of marked) {
        token.classList.remove("xattn-active", "xattn-partner-token");
        token.removeAttribute("data-weight");
        token.setAttribute("aria-selected", "false");
      }
      marked = [];
      const token = active === null ? undefined : tokens[active];
      if (token) {
        token.classList.add("xattn-active");
        token.setAttribute("aria-selected", "true");
        marked.push(token);
      }
      for (const [unit, weight] of partners) {
        const partner = tokens[unit];
        if (!partner) continue;
        partner.classList.add("xattn-partner-token");
        partner.dataset.weight = weight;
        marked.push(partner);
      }
    },
    pin(unit) {
      tokens.forEach((token, i) => {
        token.classList.toggle("xattn-is-pinned", i === unit);
      });
    },
    found(units) {
      tokens.forEach((token, unit) => {
        token.classList.toggle("xattn-found", units.has(unit));
      });
    },
    focus(unit) {
      setTabStop(unit);
      tokens[unit]?.focus();
    },
    setTabStop,
  };
}
