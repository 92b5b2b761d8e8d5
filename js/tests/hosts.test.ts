// VS Code and Colab by their rules, faked: how they tell their theme, what they put behind a widget, what buffers they give.
import { afterEach, describe, expect, it } from "vitest";
import type { ModelCallback } from "../src/core/model";
import { isDark } from "../src/core/theme";
import { createTransport } from "../src/core/transport";
import widget from "../src/entry";
import { createStaticModel } from "../src/page/model";
import { settled, state } from "./helpers";

const page = document.documentElement;
let close: (() => void) | null = null;

afterEach(() => {
  close?.();
  close = null;
  document.body.replaceChildren();
  document.body.removeAttribute("class");
  page.removeAttribute("theme");
  Reflect.deleteProperty(window, "vscIPyWidgets");
});

/** The element that a host gives a widget, inside the boxes that it puts round it. */
function hostElement(...boxes: string[]): HTMLElement {
  let inner: HTMLElement = document.body;
  for (const name of [...boxes, "widget"]) {
    const box = document.createElement("div");
    box.className = name;
    inner.append(box);
    inner = box;
  }
  return inner;
}

describe("VS Code", () => {
  it("tells its theme on the body, with variables for colors", async () => {
    for (const [name, dark] of [
      ["vscode-dark", true],
      ["vscode-light", false],
      ["vscode-high-contrast", true],
      ["vscode-high-contrast vscode-high-contrast-light", false],
    ] as const) {
      document.body.className = name;
      expect(isDark(hostElement()), name).toBe(dark);
    }
  });

  it("follows a change of theme while the panel is there", async () => {
    Object.assign(window, { vscIPyWidgets: {} });
    document.body.className = "vscode-light";
    const el = hostElement("cell-output-ipywidget-background");
    close = widget.render({ model: createStaticModel(state(undefined, { theme: "auto" })), el });
    await settled();
    expect(el.querySelector<HTMLElement>(".xattn")?.dataset.xattnTheme).toBe("light");
    document.body.className = "vscode-dark";
    await settled();
    expect(el.querySelector<HTMLElement>(".xattn")?.dataset.xattnTheme).toBe("dark");
  });

  it("has its white background taken from behind the panel, and no other host's touched", () => {
    const box = () => document.querySelector<HTMLElement>(".cell-output-ipywidget-background");
    for (const inVsCode of [false, true]) {
      if (inVsCode) Object.assign(window, { vscIPyWidgets: {} });
      document.body.replaceChildren();
      close = widget.render({
        model: createStaticModel(state()),
        el: hostElement("cell-output-ipywidget-background", "output"),
      });
      expect(box()?.style.background).toBe(inVsCode ? "transparent" : "");
      if (inVsCode) expect(box()?.style.getPropertyPriority("background")).toBe("important");
      close();
    }
    close = null;
  });
});

describe("Colab", () => {
  it("tells its theme in an attribute of the frame's root", () => {
    const el = hostElement();
    page.setAttribute("theme", "dark");
    expect(isDark(el)).toBe(true);
    page.setAttribute("theme", "light");
    expect(isDark(el)).toBe(false);
  });
});

describe("buffers", () => {
  it("are read whether a host gives views, windows on larger messages, or bare buffers", async () => {
    const whole = Uint8Array.from([9, 9, 1, 2, 3, 9]);
    const given = [new DataView(whole.buffer, 2, 3), whole.subarray(2, 5), whole.slice(2, 5).buffer];
    const hear: ModelCallback[] = [];
    const model = {
      get: () => null,
      set: () => {},
      save_changes: () => {},
      on: (_: string, callback: ModelCallback) => void hear.push(callback),
      off: () => {},
      send: (content: unknown) => {
        const { id } = content as { id: string };
        for (const callback of hear) callback({ id }, given);
      },
    };
    const transport = createTransport(model, new AbortController().signal);
    const { buffers } = await transport.request({ kind: "sentence", sentence: 0 });
    for (const view of buffers)
      expect([...new Uint8Array(view.buffer, view.byteOffset, view.byteLength)]).toEqual([1, 2, 3]);
    expect(buffers).toHaveLength(3);
  });
});
