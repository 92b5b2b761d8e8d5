// The list of keys: a small button and the key "?" open it.
import type { Context } from "../core/context";
import { h } from "../core/dom";
import { claim } from "../core/keyboard";
import { createPopover } from "../core/popover";

/** What each key does, by where it works. A key is written as on the keyboard; several are separated by spaces. */
export const KEYS: readonly { where: string; keys: readonly (readonly [keys: string, effect: string])[] }[] =
  [
    {
      where: "Tokens",
      keys: [
        ["← ↑ → ↓", "Go along the sentence, or to the strongest partner"],
        ["Home End", "Go to the first or the last token"],
        ["Enter", "Pin the token; once more, unpin it"],
        ["Esc", "Unpin"],
        ["Page↑ Page↓", "Show the layer before or after"],
        ["C", "Copy the weights of the token"],
      ],
    },
    {
      where: "Sound",
      keys: [
        ["Space", "Play or pause; with a selection, play it"],
        ["↑ ↓", "Go from word to word"],
        ["Enter", "Play the word"],
        ["← →", "Move the cursor; with Shift, select"],
        ["+ − 0", "Zoom in, zoom out, show everything"],
        ["Z", "Show the selection alone"],
        ["Esc", "Clear the selection, then unpin"],
      ],
    },
    {
      where: "Image",
      keys: [
        ["← ↑ → ↓", "Go from patch to patch, or along the words"],
        ["Shift ← ↑ → ↓", "Move the part that is shown"],
        ["Enter", "Pin the patch or the word; once more, unpin it"],
        ["+ − 0", "Zoom in, zoom out, show everything"],
        ["Page↑ Page↓", "Show the layer before or after"],
        ["Esc", "Clear the box, then unpin"],
      ],
    },
    {
      where: "Matrix",
      keys: [
        ["← ↑ → ↓", "Go from cell to cell"],
        ["Enter", "Pin the row of the cell"],
        ["Page↑ Page↓", "Show the layer before or after"],
      ],
    },
    {
      where: "Heads",
      keys: [
        ["← ↑ → ↓", "Go from head to head"],
        ["Enter", "Pick the head; with Shift, add or remove it"],
        ["M", "Mute the head of the grid; once more, unmute it"],
      ],
    },
    {
      where: "Find a token",
      keys: [
        ["Enter", "Go to the next match; with Shift, back"],
        ["Esc", "Clear the field"],
      ],
    },
    {
      where: "Everywhere",
      keys: [
        ["Tab", "Go to the next part of the panel"],
        ["[ ]", "Show the sentence before or after"],
        ["?", "Open this list"],
        ["Esc", "Close this list or a menu"],
      ],
    },
  ];

export function createKeys({ root, id, signal }: Context): HTMLElement {
  const toggle = h("button", {
    class: "xattn-keys-toggle",
    text: "?",
    title: "Keys (?)",
    attrs: { type: "button", "aria-label": "? (list of keys)", "aria-haspopup": "dialog" },
  });
  const list = h(
    "div",
    {
      class: "xattn-keys",
      attrs: { id: `${id}-keys`, role: "dialog", "aria-label": "Keys", tabindex: "0" },
    },
    h(
      "div",
      { class: "xattn-keys-list" },
      ...KEYS.map(({ where, keys }) =>
        h(
          "section",
          {},
          h("div", { class: "xattn-keys-where", text: where }),
          h("dl", {}, ...keys.map(([names, effect]) => row(names, effect))),
        ),
      ),
    ),
  );
  const popover = createPopover(toggle, list, root, signal);
  toggle.addEventListener("click", () => !list.hidden && list.focus(), { signal });
  root.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "?" || isTyping(event.target) || event.ctrlKey || event.metaKey) return;
      claim(event);
      popover.open(Boolean(list.hidden));
      if (!list.hidden) list.focus();
    },
    { signal },
  );
  return popover.element;
}

function row(names: string, effect: string): HTMLElement {
  const keys = names.split(" ").map((name) => h("kbd", { text: name }));
  return h("div", {}, h("dt", {}, ...keys), h("dd", { text: effect }));
}

/** Whether a question mark would be written there. */
function isTyping(target: EventTarget | null): boolean {
  if (target instanceof HTMLTextAreaElement) return true;
  return target instanceof HTMLInputElement && ["search", "text"].includes(target.type);
}
