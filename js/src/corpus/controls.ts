// What the list is ranked by, in which order, and the search.
import { focusedIn, h, setText } from "../core/dom";
import { visibleText } from "../core/format";
import { claim } from "../core/keyboard";
import type { Quantity, RankedHead } from "./contract";
import { orderNames, rankedName } from "./numbers";

export interface ControlsProps {
  quantities: readonly Quantity[];
  name: string;
  head: RankedHead;
  lowestFirst: boolean;
  search: string;
}

export interface ControlsEvents {
  rank(quantity: Quantity): void;
  order(lowestFirst: boolean): void;
  search(text: string): void;
}

export interface ControlsView {
  element: HTMLElement;
  /** What the quantity means, below the controls. */
  about: HTMLElement;
  show(props: ControlsProps): void;
}

/** How long the search waits for the next key: the kernel looks through the whole table. */
const PAUSE = 250;

export function createControls(events: ControlsEvents, signal: AbortSignal): ControlsView {
  const quantity = h("select");
  const order = h("select");
  const input = h("input", {
    class: "xattn-search",
    attrs: { type: "search", placeholder: "Find in the texts", spellcheck: "false", maxlength: "1000" },
  });
  const head = h("span", { class: "xattn-ranked-by" });
  const field = (label: string, control: HTMLElement, className = "") =>
    h(
      "label",
      { class: `xattn-field ${className}` },
      h("span", { class: "xattn-label", text: label }),
      control,
    );
  const element = h(
    "div",
    { class: "xattn-corpus-controls" },
    field("Rank by", quantity),
    field("Order", order),
    field("Search", input, "xattn-corpus-search"),
  );
  const meaning = h("span");
  const why = h("div", { class: "xattn-muted" });
  const signature = h("div", { class: "xattn-signature" });
  const about = h(
    "div",
    { class: "xattn-corpus-about xattn-small" },
    h("div", {}, head, meaning),
    why,
    signature,
  );
  let listed: readonly Quantity[] | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(timer), { once: true });

  quantity.addEventListener(
    "change",
    () => {
      const found = listed?.[quantity.selectedIndex];
      if (found) events.rank(found);
    },
    { signal },
  );
  order.addEventListener("change", () => events.order(order.selectedIndex === 1), { signal });
  const search = () => {
    clearTimeout(timer);
    events.search(input.value);
  };
  input.addEventListener(
    "input",
    () => {
      clearTimeout(timer);
      timer = setTimeout(search, PAUSE);
    },
    { signal },
  );
  input.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Enter") {
        claim(event);
        search();
      } else if (event.key === "Escape" && input.value !== "") {
        claim(event);
        input.value = "";
        search();
      }
    },
    { signal },
  );

  function list(quantities: readonly Quantity[]): void {
    if (listed === quantities) return;
    listed = quantities;
    const option = ({ name, description }: Quantity) =>
      h("option", { text: visibleText(name), title: visibleText(description) });
    const group = (label: string, perHead: boolean) => {
      const found = quantities.filter((entry) => entry.per_head === perHead);
      return found.length > 0 ? [h("optgroup", { attrs: { label } }, ...found.map(option))] : [];
    };
    // Scores come first in the list as well, so that an option's index is that of its quantity.
    quantity.replaceChildren(...group("scores of heads", true), ...group("other numbers", false));
  }

  return {
    element,
    about,
    show({ quantities, name, head: ranked, lowestFirst, search: text }) {
      list(quantities);
      const index = quantities.findIndex((entry) => entry.name === name);
      const found = quantities[index];
      quantity.selectedIndex = index;
      const names = orderNames(found);
      if ([...order.options].map((option) => option.text).join() !== names.join())
        order.replaceChildren(...names.map((label) => h("option", { text: label })));
      order.selectedIndex = lowestFirst ? 1 : 0;
      // What is being typed is newer than what Python knows.
      if (focusedIn(input) !== input && input.value !== text) input.value = text;
      setText(head, found?.per_head ? `Ranked by ${rankedName(ranked)}` : "");
      const words = [found?.description ?? "", found?.direction ? `${found.direction} is better` : ""];
      const said = words
        .filter((part) => part !== "")
        .map(visibleText)
        .join(" · ");
      setText(meaning, found?.per_head && said ? ` · ${said}` : said);
      setText(
        why,
        found?.why
          ? `The table's numbers are shown. Other targets cannot be scored: ${visibleText(found.why)}.`
          : "",
      );
      setText(signature, found?.signature ? visibleText(found.signature) : "");
      signature.title = signature.textContent ?? "";
    },
  };
}
