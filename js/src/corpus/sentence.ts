// The sentence below the list: mounts the panel of the open row, whose model the kernel made.
import { h, setText } from "../core/dom";
import { errorText } from "../core/errands";
import type { HostedModel, Model } from "../core/model";
import type { OpenRow } from "./contract";

export interface SentenceView {
  /** What is open, or why nothing is, with a way to close it. */
  bar: HTMLElement;
  /** Where the panel stands. */
  place: HTMLElement;
  /** `ranked` is what the row is ranked by, with its value. */
  show(row: number | null, open: OpenRow, ranked: string): void;
}

export type MountPanel = (model: Model, host: HTMLElement) => () => void;

/** How long to wait for the model of a panel, which some hosts never deliver. */
const PATIENCE = 15_000;
/** After this long the panel has its height. */
const SETTLED = 300;

export function createSentence(
  what: string,
  model: HostedModel,
  mount: MountPanel,
  events: { close(): void },
  signal: AbortSignal,
): SentenceView {
  const title = h("span", { class: "xattn-title" });
  const value = h("span");
  const status = h("span", { class: "xattn-muted", attrs: { role: "status" } });
  const close = h("button", { class: "xattn-button xattn-small", text: "Close", attrs: { type: "button" } });
  const alert = h("div", { attrs: { role: "alert" } });
  const bar = h(
    "div",
    { class: "xattn-open-row" },
    h("div", {}, title, " ", value, " ", status, alert),
    close,
  );
  // Outside of the view's own root, whose style sheet would reach into the panel.
  const place = h("div");
  place.style.marginTop = "8px";
  let unmount = () => {};
  let mounted = "";
  close.addEventListener("click", () => events.close(), { signal });
  signal.addEventListener("abort", () => unmount(), { once: true });

  async function open(panel: string): Promise<void> {
    if (panel === mounted) return;
    const isFirst = mounted === "";
    mounted = panel;
    unmount();
    unmount = () => {};
    if (panel === "") return;
    try {
      const found = await patiently(findModel(model, panel));
      if (signal.aborted || mounted !== panel) return;
      unmount = mount(found, place);
      setText(status, "");
      // Below a long list it may be out of sight; later rows open in the same place.
      if (isFirst) setTimeout(() => place.scrollIntoView?.({ block: "nearest" }), SETTLED);
    } catch (error) {
      if (signal.aborted || mounted !== panel) return;
      setText(
        alert,
        `The ${what} cannot be shown here (${errorText(error)}): show view.opened in a cell of its own.`,
      );
    }
  }

  return {
    bar,
    place,
    show(row, { row: opened = null, panel = "", error = "" }, ranked) {
      const waiting = row !== opened;
      bar.hidden = row === null;
      setText(title, row === null ? "" : `Row ${row}`);
      setText(value, ranked);
      setText(status, row === null || error ? "" : waiting ? `reading the ${what}…` : "");
      setText(alert, waiting || !error ? "" : `The ${what} could not be read. ${error}`);
      place.style.opacity = waiting && row !== null ? "0.6" : "";
      // The panel before stays until the next one is there, so that the page does not jump.
      if (row === null) void open("");
      else if (!waiting) void open(panel);
    },
  };
}

async function findModel(model: HostedModel, panel: string): Promise<Model> {
  if (!model.widget_manager) throw new Error("this notebook does not connect widgets");
  return (await model.widget_manager.get_model(panel)) as Model;
}

function patiently<T>(wanted: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the notebook does not know its panel")), PATIENCE);
    wanted.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
