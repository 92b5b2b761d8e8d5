// A mounted panel for a test file: a host in the page, queries and keys, and its end after each test.
import { afterEach, beforeEach } from "vitest";
import type { Traits } from "../src/core/contract";
import type { Model } from "../src/core/model";
import widget from "../src/entry";
import { createStaticModel, type StaticState } from "../src/page/model";
import { counted, sentenceInfo, settled, state } from "./helpers";

export const TWO = {
  layers: 2,
  heads: 2,
  model: "Toy",
  has_kernel: false,
  sentences: [sentenceInfo({ name: "before" }), sentenceInfo({ name: "after" })],
};

/** The state of a page of two sentences; the second shares three of its four tokens with the first. */
export function twoSentences(patch: Partial<Traits> = {}): StaticState {
  const page = state(["a", "b", "c", "</s>"], patch);
  page.sentences.push(...state(["a", "x", "c", "</s>"]).sentences);
  return page;
}

export function mounted() {
  let host = document.createElement("div");
  let close = () => {};
  const render = (model: Model, el: HTMLElement = host): void => {
    close = widget.render({ model, el });
  };
  beforeEach(() => {
    host = document.createElement("div");
    document.body.append(host);
  });
  afterEach(() => {
    close();
    close = () => {};
    host.remove();
  });
  /** Mounts a panel on a page's state, and counts the listeners on its model. */
  async function mount(page: StaticState) {
    const model = counted(createStaticModel(page));
    render(model);
    await settled();
    return model;
  }
  return {
    get host() {
      return host;
    },
    render,
    close: () => close(),
    mount,
    /** Mounts a panel on a page of two sentences, which `change` may change first. */
    mountTwo(patch: Partial<Traits> = {}, change: (page: StaticState) => void = () => {}) {
      const page = twoSentences(patch);
      change(page);
      return mount(page);
    },
    all: (selector: string) => [...host.querySelectorAll<HTMLElement>(selector)],
    first<E extends HTMLElement = HTMLElement>(selector: string): E {
      const found = host.querySelector<E>(selector);
      if (!found) throw new Error(`nothing matches ${selector}`);
      return found;
    },
    press(element: Element, key: string, more: KeyboardEventInit = {}) {
      const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
      element.dispatchEvent(event);
      return event;
    },
  };
}
