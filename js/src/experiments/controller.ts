// Experiments: connects their bar to the traits that Python sets, and sends requests to the kernel.
import { computed, signal } from "@preact/signals-core";
import { type Context, tell } from "../core/context";
import type { ChoicesReply, ExperimentRequest, Head, TextReply, TokenChoice } from "../core/contract";
import { equal } from "../core/equal";
import { errorText } from "../core/errands";
import { comparedSentence, muteReason } from "../core/muting";
import { sameHead } from "../core/picks";
import { createExperimentsBar, writtenText } from "./view";

export const NO_KERNEL = "Off: this page works without a kernel.";
const LINES = {
  open: "",
  silent: "Off: the kernel does not answer.",
  closed: "Off: the kernel is gone. Run the cell again.",
};

export interface Experiments {
  element: HTMLElement;
  /**
   * A head was clicked: mutes or unmutes it if the user meant that, and returns whether it did. `wanted`: a modifier or
   * a key requested it, regardless of the mode.
   */
  mute(head: Head, wanted: boolean): boolean;
}

export function createExperiments(context: Context): Experiments {
  const { store, transport, connection, loader, frames, id, signal: closing } = context;
  /** The text of a target while it is edited. */
  const draft = signal<string | null>(null);
  const muteMode = signal(false);
  const failure = signal("");
  /** Other tokens for the position that was pinned when they were requested. */
  const choices = signal<{ sentence: number; position: number; list: TokenChoice[] } | null>(null);

  const off = computed(() => {
    if (!store.get("info").has_kernel) return NO_KERNEL;
    const reason = store.get("live")?.why ?? "";
    return reason ? `Off: ${reason}` : LINES[connection.line.value];
  });
  const pinned = computed(() => {
    const position = store.get("target_index");
    const label = position === null ? undefined : loader.scene.value?.reply.target.output.labels[position];
    return position === null || label === undefined ? null : { position, label };
  });
  const muting = computed(() => ({ muted: store.get("muted"), effect: store.get("live")?.effect ?? null }));
  const shownChoices = computed(() => {
    const { sentence, position, list } = choices.value ?? {};
    const isCurrent = sentence === store.get("sentence") && position === store.get("target_index");
    return isCurrent ? (list ?? null) : null;
  });

  /** The reply to a request; null if it failed, in which case the bar shows the error. */
  async function ask<Reply = object>(request: ExperimentRequest): Promise<Reply | null> {
    failure.value = "";
    try {
      const { content } = await transport.request({ kind: "live", ...request });
      return content as Reply;
    } catch (error) {
      if (!closing.aborted) failure.value = errorText(error);
      return null;
    }
  }

  const bar = createExperimentsBar(
    {
      async edit() {
        const reply = await ask<TextReply>({ action: "text", sentence: store.get("sentence") });
        if (reply) draft.value = String(reply.text ?? "");
      },
      read(text) {
        draft.value = null;
        void ask({ action: "target", text });
      },
      cancel() {
        draft.value = null;
      },
      async choices() {
        const [sentence, position] = [store.get("sentence"), store.get("target_index") ?? 0];
        const reply = await ask<ChoicesReply>({ action: "choices", sentence, position });
        if (reply) choices.value = { sentence, position, list: reply.choices };
      },
      token(choice, rest) {
        const position = store.get("target_index");
        if (position !== null) void ask({ action: "token", position, token: choice.id, rest });
      },
      muteMode(on) {
        muteMode.value = on;
      },
      mute(heads) {
        // Whoever unmutes everything is done with muting: the next click on a head picks it.
        if (heads.length === 0) muteMode.value = false;
        void ask({ action: "mute", heads });
      },
      compare() {
        const { effect } = muting.value;
        const sentence = comparedSentence(muting.value, store.get("heads"));
        if (effect && sentence !== null)
          store.set({ sentence, compare: { sentence: effect.base }, panel: "compare" });
      },
      stop: () => void ask({ action: "stop" }),
    },
    id,
    closing,
  );

  frames.draw(() => bar.showChoices(shownChoices.value, pinned.value, off.value));
  frames.draw(() => {
    const { muted, effect } = muting.value;
    bar.showMuting(muted, effect, effect ? muteReason(muted, store.get("heads")) : "", off.value);
  });
  // Above the view as well: the bar may be out of sight below it.
  let told = muting.peek().effect;
  frames.watch(() => {
    const { effect } = muting.value;
    if (equal(effect, told)) return;
    told = effect;
    if (effect) tell(context, writtenText(effect));
  });
  frames.draw(() => bar.showDraft(off.value ? null : draft.value));
  frames.draw(() => {
    const { busy = "", error = "" } = store.get("live") ?? {};
    bar.showState({
      off: off.value,
      busy,
      error: failure.value || error,
      pinned: pinned.value,
      muteMode: muteMode.value && off.value === "",
    });
  });

  return {
    element: bar.element,
    mute(head, wanted) {
      if (!(wanted || muteMode.value) || off.value !== "") return false;
      const muted = store.get("muted");
      const rest = muted.filter((other) => !sameHead(other, head));
      void ask({ action: "mute", heads: rest.length < muted.length ? rest : [...muted, head] });
      return true;
    },
  };
}
