// All sentences as cards, in the order of the picked heads' score; each is drawn as it comes into view.
import type { SentenceInfo, SentenceOrder } from "../core/contract";
import { focusedIn, h, setText } from "../core/dom";
import { claim } from "../core/keyboard";
import type { Scene } from "../core/scene";
import { listSentences } from "../core/sentences";
import { type Card, createCard, type Look } from "./card";
import type { Scored } from "./order";

export interface SentencesProps {
  entries: readonly SentenceInfo[];
  /** In the order in which they are shown. */
  scored: readonly Scored[];
  isKnown(entry: number): boolean;
  /** How many units its longer side has. */
  units(entry: number): number;
  /** The entry of the shown sentence. */
  shown: number;
  order: SentenceOrder;
  /** What the cards show, in words. */
  heading: string;
  note: string;
  look: Look;
  /** Another one where the drawings no longer show what they should. */
  drawing: unknown;
}

export interface SentencesEvents {
  open(entry: number): void;
  order(order: SentenceOrder): void;
  /** A card without a drawing is in view. */
  need(entry: number): void;
}

export interface SentencesView {
  element: HTMLElement;
  show(props: SentencesProps): void;
  /** Whether a card still waits for its drawing, in view. */
  wants(entry: number): boolean;
  draw(entry: number, scene: Scene): void;
  fail(entry: number, reason: string): void;
  /** Asks for the drawings that failed once more. */
  again(): void;
}

/** How many cards are made at once. */
const BATCH = 500;
const ORDERS: readonly [SentenceOrder, string][] = [
  ["highest", "highest first"],
  ["lowest", "lowest first"],
  ["given", "in order"],
];

export function createSentences(events: SentencesEvents, signal: AbortSignal): SentencesView {
  const select = h(
    "select",
    { attrs: { "aria-label": "Order" } },
    ...ORDERS.map(([value, text]) => h("option", { text, attrs: { value } })),
  );
  select.addEventListener("change", () => events.order(select.value as SentenceOrder), { signal });
  const heading = h("span", { class: "xattn-sentences-heading" });
  const bar = h(
    "div",
    { class: "xattn-sentences-bar" },
    heading,
    h(
      "label",
      { class: "xattn-sentences-order" },
      h("span", { class: "xattn-label", text: "Order" }),
      select,
    ),
  );
  const grid = h("div", { class: "xattn-cards", attrs: { role: "group", "aria-label": "Cards" } });
  const more = h("button", { class: "xattn-button", attrs: { type: "button" } });
  const scroller = h("div", { class: "xattn-cards-scroll" }, grid, more);
  const note = h("div", { class: "xattn-small xattn-muted" });
  const element = h("div", { class: "xattn-sentences" }, bar, scroller, note);
  const cards = new Map<number, Card>();
  const drawn = new Set<number>();
  const failed = new Set<number>();
  const inView = new Set<number>();
  let props: SentencesProps | null = null;
  let listed: number[] = [];
  let limit = BATCH;

  const entryOf = (target: EventTarget | null) => {
    const card = target instanceof Element ? target.closest<HTMLElement>(".xattn-card") : null;
    return card ? Number(card.dataset.entry) : null;
  };
  const observer = new IntersectionObserver(
    (found) => {
      for (const { target, isIntersecting } of found) {
        const entry = entryOf(target);
        if (entry === null) continue;
        if (isIntersecting) inView.add(entry);
        else inView.delete(entry);
      }
      ask();
    },
    { root: scroller, rootMargin: "120px" },
  );
  signal.addEventListener("abort", () => observer.disconnect(), { once: true });

  function ask(): void {
    for (const entry of listed) if (wants(entry)) events.need(entry);
  }

  function wants(entry: number): boolean {
    return inView.has(entry) && !drawn.has(entry) && !failed.has(entry);
  }

  grid.addEventListener(
    "click",
    (event) => {
      const entry = entryOf(event.target);
      if (entry !== null) events.open(entry);
    },
    { signal },
  );
  grid.addEventListener("focusin", (event) => setTabStop(entryOf(event.target)), { signal });
  grid.addEventListener(
    "keydown",
    (event) => {
      const entry = entryOf(event.target);
      if (entry === null || event.ctrlKey || event.metaKey || event.altKey) return;
      const index = listed.indexOf(entry);
      const columns = columnCount();
      const next = {
        ArrowLeft: index - 1,
        ArrowRight: index + 1,
        ArrowUp: index - columns,
        ArrowDown: index + columns,
        Home: 0,
        End: listed.length - 1,
      }[event.key];
      if (next === undefined) return;
      claim(event);
      const to = listed[Math.max(0, Math.min(listed.length - 1, next))];
      if (to !== undefined) cards.get(to)?.element.focus();
    },
    { signal },
  );
  more.addEventListener(
    "click",
    () => {
      const first = listed.length;
      limit += BATCH;
      if (props) list(props);
      cards.get(listed[first] ?? -1)?.element.focus();
    },
    { signal },
  );

  function columnCount(): number {
    const columns = getComputedStyle(grid).gridTemplateColumns;
    return Math.max(1, columns ? columns.split(" ").length : 1);
  }

  function setTabStop(entry: number | null): void {
    const next = cards.get(entry ?? -1)?.element;
    if (!next) return;
    for (const { element: other } of cards.values()) if (other !== next) other.tabIndex = -1;
    next.tabIndex = 0;
  }

  /** Puts the cards in their order, and makes those that are new. */
  function list({ entries, scored, isKnown, units, shown }: SentencesProps): void {
    const { places } = listSentences(entries);
    const next = scored.slice(0, limit).map(({ entry }) => entry);
    for (const one of scored.slice(0, limit)) {
      const info = entries[one.entry];
      const card = cards.get(one.entry) ?? (info && createCard(places[one.entry] ?? 0, one.entry, info));
      if (!card) continue;
      if (!cards.has(one.entry)) {
        cards.set(one.entry, card);
        observer.observe(card.element);
      }
      card.score(one, isKnown(one.entry));
      card.mark(places[one.entry] === places[shown]);
      card.reserve(units(one.entry));
    }
    if (next.length !== listed.length || next.some((entry, i) => entry !== listed[i])) place(next);
    more.hidden = scored.length <= limit;
    setText(more, `Show ${Math.min(BATCH, scored.length - limit)} more of ${scored.length} sentences`);
  }

  function place(next: number[]): void {
    const focused = entryOf(focusedIn(grid));
    const kept = new Set(next);
    for (const [entry, card] of cards)
      if (!kept.has(entry)) {
        observer.unobserve(card.element);
        inView.delete(entry);
        drawn.delete(entry);
        cards.delete(entry);
      }
    listed = next;
    grid.replaceChildren(...next.flatMap((entry) => cards.get(entry)?.element ?? []));
    // A card that moves loses the focus.
    if (focused !== null) cards.get(focused)?.element.focus();
    else {
      scroller.scrollTop = 0;
      setTabStop(next[0] ?? null);
    }
  }

  return {
    element,
    show(next) {
      const before = props;
      if (before && before.entries !== next.entries) {
        // Numbers and texts belong to the list.
        observer.disconnect();
        cards.clear();
        inView.clear();
        listed = [];
      }
      if (before?.drawing !== next.drawing) {
        drawn.clear();
        failed.clear();
      }
      if (before?.order !== next.order) limit = BATCH;
      props = next;
      select.value = next.order;
      setText(heading, next.heading);
      setText(note, next.note);
      list(next);
      ask();
    },
    wants,
    draw(entry, scene) {
      const card = cards.get(entry);
      if (!card || !props) return;
      drawn.add(entry);
      card.draw(scene, props.look);
    },
    fail(entry, reason) {
      failed.add(entry);
      cards.get(entry)?.fail(reason);
    },
    again() {
      failed.clear();
      ask();
    },
  };
}
