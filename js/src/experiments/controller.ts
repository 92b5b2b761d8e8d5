// The room of experiments: joins its view to the traits that Python sets, and sends what is tried to the kernel.

import type { Head, LiveRequest, TokenChoice } from "../core/contract";
import { errorText } from "../core/loader";
import { sameHead } from "../core/picks";
import type { Transport } from "../core/transport";
import type { Context } from "../core/view";
import { createLive } from "./view";

export const NO_KERNEL = "Off: this page works without a kernel.";

export interface LiveRoom {
  element: HTMLElement;
  draw(): void;
  /** A head was clicked: whether that was to mute it. `wanted`: by a modifier or key, whatever the mode. */
  mute(head: Head, wanted: boolean): boolean;
}

export function createLiveRoom(context: Context, transport: Transport): LiveRoom {
  const { store, loader, id, signal, redraw } = context;
  let draft: string | null = null;
  let muteMode = false;
  let failure = "";
  let choices: { of: string; list: TokenChoice[] } | null = null;

  function why(): string {
    if (!store.get("info").live) return NO_KERNEL;
    const reason = store.get("live")?.why ?? "";
    return reason ? `Off: ${reason}` : "";
  }

  async function ask(request: LiveRequest): Promise<Record<string, unknown> | null> {
    failure = "";
    try {
      const { content } = await transport.request({ kind: "live", ...request });
      return content;
    } catch (error) {
      if (signal.aborted) return null;
      failure = errorText(error);
      redraw("live");
      return null;
    }
  }

  const pinnedKey = () => `${store.get("sentence")} ${store.get("target_index")}`;

  const view = createLive(
    {
      sentence: context.gestures.sentence,
      async edit() {
        const reply = await ask({ action: "text", sentence: store.get("sentence") });
        if (!reply) return;
        draft = String(reply.text ?? "");
        redraw("live");
      },
      read(text) {
        draft = null;
        void ask({ action: "target", text });
        redraw("live");
      },
      cancel() {
        draft = null;
        redraw("live");
      },
      async choices() {
        const of = pinnedKey();
        const reply = await ask({
          action: "choices",
          sentence: store.get("sentence"),
          position: store.get("target_index") ?? 0,
        });
        if (reply) choices = { of, list: reply.choices as TokenChoice[] };
        redraw("live");
      },
      token(choice, rest) {
        const position = store.get("target_index");
        if (position !== null) void ask({ action: "token", position, token: choice.id, rest });
      },
      muteMode(on) {
        muteMode = on;
        redraw("live");
      },
      mute: (heads) => void ask({ action: "mute", heads }),
      compare() {
        const effect = store.get("live")?.effect;
        if (effect)
          store.set({ sentence: effect.forced, compare: { sentence: effect.base }, panel: "compare" });
      },
      stop: () => void ask({ action: "stop" }),
    },
    id,
    signal,
  );

  return {
    element: view.element,
    mute(head, wanted) {
      if (!(wanted || muteMode) || why() !== "") return false;
      const muted = store.get("muted");
      const rest = muted.filter((other) => !sameHead(other, head));
      void ask({ action: "mute", heads: rest.length < muted.length ? rest : [...muted, head] });
      return true;
    },
    draw() {
      const info = store.get("info");
      const sentence = store.get("sentence");
      const group = info.sentences[sentence]?.group ?? sentence;
      const { busy = "", error = "", effect = null } = store.get("live") ?? {};
      const position = store.get("target_index");
      const labels = loader.scene?.reply.target.output.labels;
      const label = position === null ? undefined : labels?.[position];
      const off = why();
      view.show({
        why: off,
        busy,
        error: failure || error,
        targets: info.sentences.flatMap((each, index) =>
          (each.group ?? index) === group
            ? [
                {
                  sentence: index,
                  text: each.name ? `${each.name}: ${each.target}` : each.target,
                  logprob: each.logprob ?? null,
                },
              ]
            : [],
        ),
        sentence,
        pinned: position === null || label === undefined ? null : { position, label },
        choices: choices?.of === pinnedKey() ? choices.list : null,
        draft: off ? null : draft,
        muteMode: muteMode && off === "",
        muted: store.get("muted"),
        effect,
      });
    },
  };
}
