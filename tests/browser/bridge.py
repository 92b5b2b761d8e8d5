"""A page that shows a widget of this process without a notebook: traits and messages go both ways."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from ipywidgets.widgets.widget import _instances
from playwright.sync_api import Page

from xattn_widget.panel.front_end import built_file

# A model as hosts give it: its state comes from Python at first, and after each call.
SCRIPT = """
const models = new Map();
function makeModel(id, state) {
  const heard = new Map();
  const emit = (event, ...args) => [...(heard.get(event) ?? [])].forEach((call) => call(...args));
  let changed = {};
  const model = {
    get: (name) => state[name],
    set(name, value) {
      if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
      state[name] = changed[name] = value;
      emit(`change:${name}`);
    },
    save_changes() {
      const patch = changed;
      changed = {};
      tell(id, "set", patch);
    },
    on: (event, call) => heard.set(event, (heard.get(event) ?? new Set()).add(call)),
    off: (event, call) => heard.get(event)?.delete(call),
    send: (content) => tell(id, "send", content),
    widget_manager: { get_model: async (wanted) => models.get(wanted) ?? open(wanted) },
    hear(patch) {
      for (const [name, value] of Object.entries(patch)) {
        if (JSON.stringify(state[name]) === JSON.stringify(value)) continue;
        state[name] = value;
        emit(`change:${name}`);
      }
    },
    emit,
  };
  models.set(id, model);
  return model;
}
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
async function tell(id, kind, content) {
  const { states, messages } = JSON.parse(await python(id, kind, JSON.stringify(content)));
  for (const [other, state] of Object.entries(states)) models.get(other)?.hear(state);
  for (const [content, buffers] of messages)
    models.get(id).emit("msg:custom", content, buffers.map(bytes));
}
async function open(id) {
  const { states } = JSON.parse(await python(id, "open", "null"));
  if (!states[id]) throw new Error(`there is no widget ${id}`);
  return makeModel(id, states[id]);
}
"""


def show(page: Page, widget: Any, folder: Path) -> None:
    """Open a page that shows ``widget``; widgets that it opens later are found as well."""
    known: set[str] = {widget.model_id}

    def python(name: str, kind: str, content: str) -> str:
        messages: list[tuple[Any, list[str]]] = []
        target = _instances.get(name)
        if kind == "open":
            known.add(name)
        elif target is not None:
            target.send = lambda reply, buffers=None: messages.append(
                (reply, [base64.b64encode(buffer).decode() for buffer in buffers or []])
            )
            if kind == "set":
                target.set_state(json.loads(content))
            else:
                target._handle_custom_msg(json.loads(content), [])
        states = {name: state_of(_instances[name]) for name in known if name in _instances}
        return json.dumps({"states": states, "messages": messages})

    page.expose_function("python", python)
    (folder / "widget.js").write_text(built_file("widget.js"), encoding="utf-8")
    (folder / "page.html").write_text(
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>A widget</title><style>{built_file('widget.css')}"
        "</style><main id='host'></main></html>",
        encoding="utf-8",
    )
    page.goto((folder / "page.html").as_uri())
    page.evaluate(
        f"""async ([code, id]) => {{
          {SCRIPT}
          const url = URL.createObjectURL(new Blob([code], {{ type: "text/javascript" }}));
          const widget = (await import(url)).default;
          window.closeWidget = widget.render({{ model: await open(id), el: document.getElementById("host") }});
          window.hearPython = () => tell(id, "nothing", null);
        }}""",
        [built_file("widget.js"), widget.model_id],
    )


def state_of(widget: Any) -> dict[str, Any]:
    """The state as the page reads it, without the code."""
    state = widget.get_state()
    return {name: value for name, value in state.items() if name not in ("_esm", "_code", "_css", "layout")}
