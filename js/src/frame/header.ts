// The panel's header: the model's name and, where there are several sentences, their picker.
import type { Context } from "../core/context";
import type { Info, SentenceInfo } from "../core/contract";
import { h, setText } from "../core/dom";
import { tokenText } from "../core/format";

export function createHeader({ store, loader, gestures, frames, signal }: Context): HTMLElement {
  const model = h("span", { class: "xattn-model" });
  const select = h("select", { attrs: { "aria-label": "Sentence" } });
  const count = h("span", { class: "xattn-muted" });
  const picker = h(
    "label",
    { class: "xattn-sentence" },
    h("span", { class: "xattn-label", text: "Sentence" }),
    select,
    count,
  );
  const element = h(
    "header",
    { class: "xattn-header" },
    h("span", { class: "xattn-title", text: "Cross-attention" }),
    model,
    picker,
  );
  select.addEventListener("change", () => gestures.sentence(select.selectedIndex), { signal });
  let listed: readonly SentenceInfo[] | null = null;

  function list({ sentences }: Info): void {
    picker.hidden = sentences.length < 2;
    if (listed === sentences) return;
    listed = sentences;
    const options = sentences.map(({ name, source, target }, index) =>
      h("option", {
        text: `${index + 1}. ${name ? `${name}: ` : ""}${tokenText(source)} → ${tokenText(target)}`,
        attrs: { dir: "auto" },
      }),
    );
    select.replaceChildren(...options);
    setText(count, `of ${sentences.length}`);
  }

  frames.draw(() => {
    const [info, sentence] = [store.get("info"), store.get("sentence")];
    const record = info.sentences[sentence] ?? { ...info, name: "" };
    // Whether the model wrote the target is unknown until its weights are loaded.
    const generated = loader.scene.value?.reply.generated;
    const origin = generated === undefined ? "" : `target ${generated ? "generated" : "given"}`;
    const parts = [record.name, record.model, `${record.layers} × ${record.heads} heads`, origin];
    setText(model, parts.filter((part) => part !== "").join(" · "));
    list(info);
    select.selectedIndex = sentence;
  });
  return element;
}
