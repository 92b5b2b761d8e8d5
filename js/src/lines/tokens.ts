// One side of the sentence: a list of tokens with one tab stop, hover, focus and pin.

import type { Layout, Side } from "../core/contract";
import { bdi, h } from "../core/dom";
import { tokenText, tokenTitle } from "../core/format";
import { claim, type TokenMove, tokenMove } from "../core/keyboard";
import { createStrip, type Strip, type StripCell } from "../core/strip";
import type { Units } from "../core/units";
import type { Slots } from "./geometry";

export interface TokenEvents {
  hover(side: Side, unit: number | null): void;
  focus(side: Side, unit: number | null): void;
  click(side: Side, unit: number): void;
  move(side: Side, unit: number, move: TokenMove): void;
}

/** How a partner of the inspected token is marked. */
export interface PartnerMark {
  weight: number;
  /** The weight as text. */
  text: string;
  /** What each picked head contributes; empty where there is one, or where there are too many. */
  heads: readonly StripCell[];
}

export interface TokenList {
  element: HTMLElement;
  show(units: Units, slots: Slots, layout: Layout, vertical: boolean, fade: boolean): void;
  /** What tooltips and screen readers say of each unit beside its label. */
  describe(facts: readonly string[]): void;
  /** Marks the active token, or its partners. */
  mark(active: number | null, partners: ReadonlyMap<number, PartnerMark>): void;
  /** Outlines the pinned token, also while another one is active. */
  pin(unit: number | null): void;
  /** Marks the tokens that a search found. */
  found(units: ReadonlySet<number>): void;
  focus(unit: number): void;
  setTabStop(unit: number): void;
}

/** From this weight on a partner is written in bold. */
const STRONG = 0.2;

export function createTokenList(side: Side, events: TokenEvents, signal: AbortSignal): TokenList {
  const element = h("div", {
    class: `xattn-tokens xattn-${side}`,
    attrs: { role: "listbox", "aria-label": `${side} tokens` },
  });
  let tokens: HTMLElement[] = [];
  let marked: HTMLElement[] = [];
  let facts: readonly string[] = [];
  const strips: Strip[] = [];
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
        tokens = units.labels.map((label, unit) => {
          const name = bdi(label);
          // The token's own tooltip says more.
          name.removeAttribute("title");
          return h(
            "div",
            {
              class: "xattn-token",
              title: longName(units, unit),
              attrs: { role: "option", tabindex: "-1", "data-unit": String(unit), "aria-selected": "false" },
            },
            name,
          );
        });
        units.special.forEach((special, unit) => {
          tokens[unit]?.classList.toggle("xattn-special", special);
        });
        units.asides.forEach((aside, unit) => {
          const token = tokens[unit];
          if (aside === null || !token) return;
          token.setAttribute("aria-label", spokenName(units, unit));
          token.append(h("span", { class: "xattn-aside" }, bdi(aside)));
          for (const part of token.querySelectorAll("bdi")) part.removeAttribute("title");
        });
        element.replaceChildren(...tokens);
        tabStop = null;
        marked = [];
        facts = [];
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
    describe(next) {
      tokens.forEach((token, unit) => {
        const fact = next[unit] ?? "";
        if (fact === (facts[unit] ?? "")) return;
        if (!shown) return;
        // A tooltip beside a name is the accessible description.
        const long = longName(shown.units, unit);
        token.title = fact ? `${long}\n${fact}` : long;
      });
      facts = next;
    },
    mark(active, partners) {
      for (const token of marked) {
        token.classList.remove("xattn-active", "xattn-partner-token", "xattn-strong");
        token.removeAttribute("data-weight");
        token.setAttribute("aria-selected", "false");
      }
      for (const { element: strip } of strips) strip.remove();
      marked = [];
      const token = active === null ? undefined : tokens[active];
      if (token) {
        token.classList.add("xattn-active");
        token.setAttribute("aria-selected", "true");
        marked.push(token);
      }
      let used = 0;
      for (const [unit, { weight, text, heads }] of partners) {
        const partner = tokens[unit];
        if (!partner) continue;
        partner.classList.add("xattn-partner-token");
        partner.classList.toggle("xattn-strong", weight >= STRONG);
        partner.style.setProperty("--xattn-strength", Math.sqrt(Math.min(1, weight)).toFixed(3));
        partner.dataset.weight = text;
        marked.push(partner);
        if (heads.length === 0) continue;
        const strip = strips[used] ?? createStrip({ "aria-hidden": "true" });
        strips[used] = strip;
        used += 1;
        strip.show(heads);
        partner.append(strip.element);
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

/** The tooltip of a token: its label, followed by its aside in parentheses if it has one. */
function longName({ labels, asides }: Units, unit: number): string {
  const [label, aside] = [tokenTitle(labels[unit] ?? ""), asides[unit] ?? null];
  return aside === null ? label : `${label} (${tokenTitle(aside)})`;
}

/** The same for screen readers. */
function spokenName({ labels, asides }: Units, unit: number): string {
  const [label, aside] = [tokenText(labels[unit] ?? ""), asides[unit] ?? null];
  return aside === null ? label : `${label}, ${tokenText(aside)}`;
}
