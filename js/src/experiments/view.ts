// Trying things with the model: which target is shown, editing it, other next tokens, muted heads; progress and stop.

import type { Effect, Head, TokenChoice } from "../core/contract";
import { bdi, h, setText } from "../core/dom";
import { formatScore, tokenText } from "../core/format";
import { claim } from "../core/keyboard";

export type Rest = "generate" | "keep";

/** One of the targets of a source: a hypothesis, an edit, or what came of muting. */
export interface TargetOption {
  sentence: number;
  text: string;
  logprob: number | null;
}

export interface LiveProps {
  /** Why nothing can be tried here; "" where it can. */
  why: string;
  busy: string;
  error: string;
  targets: readonly TargetOption[];
  sentence: number;
  /** The target token that is pinned, whose place another could take. */
  pinned: { position: number; label: string } | null;
  choices: readonly TokenChoice[] | null;
  /** The text to edit, while it is edited. */
  draft: string | null;
  muteMode: boolean;
  muted: readonly Head[];
  effect: Effect | null;
}

export interface LiveEvents {
  sentence(index: number): void;
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

export interface LiveView {
  element: HTMLElement;
  show(props: LiveProps): void;
}

export function createLive(events: LiveEvents, id: string, signal: AbortSignal): LiveView {
  const button = (text: string, title: string, act: () => void, attrs: Record<string, string> = {}) => {
    const element = h("button", { class: "xattn-button", text, title, attrs: { type: "button", ...attrs } });
    element.addEventListener("click", act, { signal });
    return element;
  };
  const select = h("select", { attrs: { "aria-label": "Target" } });
  select.addEventListener("change", () => events.sentence(Number(select.value)), { signal });
  const target = h(
    "label",
    { class: "xattn-live-target" },
    h("span", { class: "xattn-label", text: "Target" }),
    select,
  );
  const edit = button("Edit target", "Write another target and see how the model reads it", events.edit);
  const other = button("Other tokens", "", events.choices);
  const mute = button(
    "Mute heads",
    "Clicks in the grid of heads mute and unmute (elsewhere: Alt-click, or M on a head)",
    () => events.muteMode(mute.getAttribute("aria-pressed") !== "true"),
    { "aria-pressed": "false" },
  );
  const why = h("span", { class: "xattn-small xattn-muted", attrs: { id: `${id}-why` } });
  const busy = h("span", { class: "xattn-small xattn-busy" });
  const stop = button("Stop", "Stop what the model is doing", events.stop);
  const progress = h("span", { class: "xattn-progress", attrs: { "aria-live": "polite" } }, busy);
  const error = h("div", { class: "xattn-live-error", attrs: { "aria-live": "assertive" } });
  const bar = h("div", { class: "xattn-live-bar" }, target, edit, other, mute, why, progress, stop);

  const area = h("textarea", { attrs: { rows: "2", "aria-label": "Another target", dir: "auto" } });
  const submit = button("Read it", "Read this target by teacher forcing", () => events.read(area.value));
  const editor = h(
    "div",
    { class: "xattn-live-row" },
    area,
    submit,
    button("Cancel", "Leave the target as it is", events.cancel),
  );
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

  const asked = h("span", { class: "xattn-label" });
  const list = h("span", { class: "xattn-choices" });
  const rest = h(
    "select",
    { attrs: { "aria-label": "What follows" } },
    h("option", { text: "then generate", attrs: { value: "generate" } }),
    h("option", { text: "then keep the rest", attrs: { value: "keep" } }),
  );
  const chooser = h("div", { class: "xattn-live-row" }, asked, list, rest);

  const chips = h("span", { class: "xattn-choices" });
  const restore = button("Unmute all", "Put every head back", () => events.mute([]));
  const words = h("span", { class: "xattn-small" });
  const compare = button("Compare", "Set the two side by side, with their difference", events.compare);
  const muting = h("div", { class: "xattn-live-row" }, chips, restore, words, compare);

  const element = h(
    "section",
    { class: "xattn-live", attrs: { "aria-label": "Experiment" } },
    bar,
    editor,
    chooser,
    muting,
    error,
  );
  let shown: LiveProps | null = null;

  function showTargets(props: LiveProps): void {
    target.hidden = props.targets.length < 2;
    if (JSON.stringify(shown?.targets) !== JSON.stringify(props.targets))
      select.replaceChildren(
        ...props.targets.map(({ sentence, text, logprob }) =>
          h("option", {
            text: `${tokenText(text)}${logprob === null ? "" : ` (log-prob ${formatScore(logprob)})`}`,
            attrs: { value: String(sentence), dir: "auto" },
          }),
        ),
      );
    select.value = String(props.sentence);
  }

  function showChoices({ choices, pinned, why: off }: LiveProps): void {
    chooser.hidden = choices === null || pinned === null;
    if (!pinned || !choices) return;
    setText(asked, `In place of \u2068${tokenText(pinned.label)}\u2069:`);
    if (shown?.choices === choices) return;
    list.replaceChildren(
      ...choices.map((choice) => {
        const probability = Math.exp(choice.logprob);
        const name = `${tokenText(choice.label)}, probability ${probability.toFixed(3)}`;
        const element = h(
          "button",
          { class: "xattn-choice", title: name, attrs: { type: "button", "aria-label": name } },
          bdi(choice.label),
          h("span", { class: "xattn-number", text: probability.toFixed(3) }),
        );
        element.disabled = off !== "";
        element.addEventListener("click", () => events.token(choice, rest.value as Rest), { signal });
        return element;
      }),
    );
  }

  function showMuting({ muted, effect, why: off }: LiveProps): void {
    muting.hidden = muted.length === 0;
    restore.disabled = off !== "";
    if (JSON.stringify(shown?.muted) !== JSON.stringify(muted) || shown?.why !== off)
      chips.replaceChildren(
        h("span", { class: "xattn-label", text: "Muted" }),
        ...muted.map(([layer, head]) => {
          const name = `Unmute layer ${layer}, head ${head}`;
          const chip = h(
            "button",
            { class: "xattn-choice", title: name, attrs: { type: "button", "aria-label": name } },
            h("span", { text: `L${layer} H${head} ×` }),
          );
          chip.disabled = off !== "";
          chip.addEventListener(
            "click",
            () => events.mute(muted.filter((each) => each[0] !== layer || each[1] !== head)),
            { signal },
          );
          return chip;
        }),
      );
    setText(words, effect ? effectText(effect) : "");
    compare.hidden = effect === null;
  }

  return {
    element,
    show(props) {
      showTargets(props);
      const off = props.why !== "";
      for (const control of [edit, mute, submit]) control.disabled = off;
      other.disabled = off || props.pinned === null;
      other.title = props.pinned
        ? `The likeliest tokens in place of ${tokenText(props.pinned.label)}`
        : "Pin a target token first: click it";
      mute.setAttribute("aria-pressed", String(props.muteMode));
      setText(why, props.why);
      why.hidden = !off;
      for (const control of [edit, other, mute])
        if (off) control.setAttribute("aria-describedby", `${id}-why`);
        else control.removeAttribute("aria-describedby");
      setText(busy, props.busy);
      const stopHadFocus = !props.busy && element.ownerDocument.activeElement === stop;
      stop.hidden = props.busy === "";
      if (stopHadFocus) edit.focus();
      setText(error, props.error);
      const opened = props.draft !== null && (shown?.draft ?? null) === null;
      editor.hidden = props.draft === null;
      if (opened) {
        area.value = props.draft ?? "";
        area.focus();
        area.select();
      }
      showChoices(props);
      showMuting(props);
      shown = props;
    },
  };
}

function effectText(effect: Effect): string {
  const { before_logprob: before, forced_logprob: forced, written_logprob: written } = effect;
  const change =
    before === null || forced === null
      ? ""
      : `The same target: log-probability ${formatScore(before)} → ${formatScore(forced)} (${signed(forced - before)}). `;
  if (effect.same) return `${change}The model still writes it.`;
  const number = written === null ? "" : ` (${formatScore(written)})`;
  return `${change}The model now writes: \u2068${tokenText(effect.written_text)}\u2069${number}`;
}

function signed(value: number): string {
  return `${value > 0 ? "+" : ""}${formatScore(value)}`;
}
