// The bar of experiments: editing the target, other tokens, muted heads; progress and stop.
import type { Effect, Head, Rest, TokenChoice } from "../core/contract";
import { bdi, focusedIn, h, setText } from "../core/dom";
import { formatProbability, formatScore, tokenText } from "../core/format";
import { claim } from "../core/keyboard";

/** The pinned target token, which another could replace. */
export interface Pinned {
  position: number;
  label: string;
}

export interface State {
  /** Why experiments are unavailable; "" where they are available. */
  off: string;
  busy: string;
  error: string;
  pinned: Pinned | null;
  muteMode: boolean;
}

export interface ExperimentsEvents {
  edit(): void;
  read(text: string): void;
  cancel(): void;
  choices(): void;
  token(choice: TokenChoice, rest: Rest): void;
  muteMode(on: boolean): void;
  mute(heads: Head[]): void;
  compare(): void;
  stop(): void;
}

export interface ExperimentsBar {
  element: HTMLElement;
  showState(state: State): void;
  showChoices(choices: readonly TokenChoice[] | null, pinned: Pinned | null, off: string): void;
  /** `unchanged` says why the shown heads attend to the same as before; "" where they may not. */
  showMuting(muted: readonly Head[], effect: Effect | null, unchanged: string, off: string): void;
  /** Opens the editor with a text; null closes it. */
  showDraft(draft: string | null): void;
}

type Button = (
  text: string,
  title: string,
  act: () => void,
  attrs?: Record<string, string>,
) => HTMLButtonElement;

export function createExperimentsBar(
  events: ExperimentsEvents,
  id: string,
  signal: AbortSignal,
): ExperimentsBar {
  const button: Button = (text, title, act, attrs = {}) => {
    const element = h("button", { class: "xattn-button", text, title, attrs: { type: "button", ...attrs } });
    element.addEventListener("click", act, { signal });
    return element;
  };
  const editor = createEditor(events, button, signal);
  const choices = createChoices(events, signal);
  const muting = createMuting(events, button, signal);

  const edit = button(
    "Edit target",
    "Change the target, and see how the model reads the new one",
    events.edit,
  );
  const other = button("Other tokens", "", events.choices);
  const mute = button(
    "Mute heads",
    "While this is on, a click in the grid mutes or unmutes a head. Alt-click and the key M do so at any time.",
    () => events.muteMode(mute.getAttribute("aria-pressed") !== "true"),
    { "aria-pressed": "false" },
  );
  const why = h("span", { class: "xattn-small xattn-muted", attrs: { id: `${id}-why` } });
  const busy = h("span", { class: "xattn-small xattn-busy" });
  const stop = button("Stop", "Stop what the model is doing", events.stop);
  const progress = h("span", { class: "xattn-progress", attrs: { "aria-live": "polite" } }, busy);
  const error = h("div", { class: "xattn-experiments-error", attrs: { "aria-live": "assertive" } });
  const bar = h("div", { class: "xattn-experiments-bar" }, ...[edit, other, mute, why, progress, stop]);
  const element = h(
    "section",
    { class: "xattn-experiments", attrs: { "aria-label": "Experiment" } },
    ...[bar, editor.element, choices.element, muting.element, error],
  );

  return {
    element,
    showState(state) {
      const isOff = state.off !== "";
      for (const control of [edit, mute, editor.submit]) control.disabled = isOff;
      other.disabled = isOff || state.pinned === null;
      other.title = state.pinned
        ? `The likeliest tokens to replace ${tokenText(state.pinned.label)}`
        : "First pin a target token: click it";
      mute.setAttribute("aria-pressed", String(state.muteMode));
      setText(why, state.off);
      why.hidden = !isOff;
      for (const control of [edit, other, mute])
        if (isOff) control.setAttribute("aria-describedby", `${id}-why`);
        else control.removeAttribute("aria-describedby");
      setText(busy, state.busy);
      const stopHadFocus = !state.busy && focusedIn(stop) === stop;
      stop.hidden = state.busy === "";
      if (stopHadFocus) edit.focus();
      setText(error, state.error);
    },
    showChoices: choices.show,
    showMuting: muting.show,
    showDraft: editor.show,
  };
}

function createEditor(events: ExperimentsEvents, button: Button, signal: AbortSignal) {
  const area = h("textarea", { attrs: { rows: "2", "aria-label": "Another target", dir: "auto" } });
  const submit = button("Show attention", "Let the model read this target (teacher forcing)", () =>
    events.read(area.value),
  );
  const cancel = button("Cancel", "Leave the target as it is", events.cancel);
  const element = h("div", { class: "xattn-experiments-row" }, area, submit, cancel);
  element.hidden = true;
  area.addEventListener(
    "keydown",
    (event) => {
      if (event.key === "Escape") {
        claim(event);
        events.cancel();
      } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        claim(event);
        events.read(area.value);
      }
    },
    { signal },
  );
  return {
    element,
    submit,
    show(draft: string | null): void {
      const opens = draft !== null && element.hidden;
      element.hidden = draft === null;
      if (!opens) return;
      area.value = draft;
      area.focus();
      area.select();
    },
  };
}

function createChoices(events: ExperimentsEvents, signal: AbortSignal) {
  const asked = h("span", { class: "xattn-label" });
  const list = h("span", { class: "xattn-choices" });
  const rest = h(
    "select",
    { attrs: { "aria-label": "What follows" } },
    h("option", { text: "then let the model go on", attrs: { value: "generate" } }),
    h("option", { text: "then keep the rest", attrs: { value: "keep" } }),
  );
  const element = h("div", { class: "xattn-experiments-row" }, asked, list, rest);

  function choiceButton(choice: TokenChoice): HTMLButtonElement {
    const probability = formatProbability(Math.exp(choice.logprob));
    const name = `${tokenText(choice.label)}, probability ${probability}`;
    const button = h(
      "button",
      { class: "xattn-choice", title: name, attrs: { type: "button", "aria-label": name } },
      bdi(choice.label),
      h("span", { class: "xattn-number", text: probability }),
    );
    button.addEventListener("click", () => events.token(choice, rest.value as Rest), { signal });
    return button;
  }

  return {
    element,
    show(choices: readonly TokenChoice[] | null, pinned: Pinned | null, off: string): void {
      element.hidden = choices === null || pinned === null;
      if (!pinned || !choices) return;
      setText(asked, `In place of \u2068${tokenText(pinned.label)}\u2069:`);
      const buttons = choices.map(choiceButton);
      for (const button of buttons) button.disabled = off !== "";
      list.replaceChildren(...buttons);
    },
  };
}

function createMuting(events: ExperimentsEvents, button: Button, signal: AbortSignal) {
  const chips = h("span", { class: "xattn-choices" });
  const restore = button("Unmute all", "Restore every head", () => events.mute([]));
  const outcome = h("span", { class: "xattn-small" });
  const still = h("span", { class: "xattn-small" });
  const compare = button("Compare", "Show the two side by side, with their difference", events.compare);
  const element = h("div", { class: "xattn-experiments-row" }, chips, restore, outcome, still, compare);

  function chip([layer, head]: Head, muted: readonly Head[]): HTMLButtonElement {
    const name = `Unmute layer ${layer}, head ${head}`;
    const unmute = h(
      "button",
      { class: "xattn-choice", title: name, attrs: { type: "button", "aria-label": name } },
      h("span", { text: `L${layer} H${head} ×` }),
    );
    const others = muted.filter((other) => other[0] !== layer || other[1] !== head);
    unmute.addEventListener("click", () => events.mute(others), { signal });
    return unmute;
  }

  return {
    element,
    show(muted: readonly Head[], effect: Effect | null, unchanged: string, off: string): void {
      element.hidden = muted.length === 0;
      const buttons = muted.map((head) => chip(head, muted));
      for (const control of [restore, ...buttons]) control.disabled = off !== "";
      chips.replaceChildren(h("span", { class: "xattn-label", text: "Muted" }), ...buttons);
      setText(outcome, effect ? effectText(effect) : "");
      setText(still, unchanged);
      compare.hidden = effect === null;
    },
  };
}

function effectText(effect: Effect): string {
  const { before_logprob: before, forced_logprob: forced, written_logprob: written } = effect;
  const change =
    before === null || forced === null
      ? ""
      : `The same target: log-probability ${formatScore(before)} → ${formatScore(forced)} (${signed(forced - before)}). `;
  const number = effect.same || written === null ? "" : ` (${formatScore(written)})`;
  return `${change}${writtenText(effect)}${number}`;
}

/** What the model writes without the muted heads. */
export function writtenText({ same, written_text: text }: Effect): string {
  return same ? "The model still writes it." : `The model now writes: \u2068${tokenText(text)}\u2069`;
}

function signed(value: number): string {
  return `${value > 0 ? "+" : ""}${formatScore(value)}`;
}
