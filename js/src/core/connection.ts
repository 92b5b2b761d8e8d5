// Whether the kernel still answers: what hosts say about it, and what happens to requests.
import { type ReadonlySignal, signal } from "@preact/signals-core";
import type { Model } from "./model";

/**
 * "silent": a request was not answered in time, and nothing came since; the kernel may be busy. "closed": the kernel, or
 * its end of the widget, is gone.
 */
export type Line = "open" | "silent" | "closed";

export interface Connection {
  line: ReadonlySignal<Line>;
  /** Something came from the kernel. */
  heard(): void;
  /** A request was not answered in time. */
  unanswered(): void;
  /** A message could not be sent, or the host says that nobody receives it. */
  lost(): void;
}

/** JupyterLab's kernel, of which its widget manager tells; other hosts have none. */
interface HostKernel {
  statusChanged?: HostSignal;
  disposed?: HostSignal;
}

interface HostSignal {
  connect(slot: (sender: unknown, value: unknown) => void): unknown;
  disconnect(slot: (sender: unknown, value: unknown) => void): unknown;
}

/** A kernel in one of these states has lost its widgets, even if it comes back. */
const ENDED: readonly unknown[] = ["dead", "restarting", "autorestarting", "terminating"];

export function createConnection(model: Model, closing: AbortSignal): Connection {
  const line = signal<Line>("open");
  const set = (next: Line) => {
    if (!closing.aborted) line.value = next;
  };
  const lost = () => set("closed");

  // ipywidgets reports the end of a connection by these events ("comm_live_update" at a restart); marimo has none.
  for (const event of ["comm_live_update", "comm:close", "destroy"]) {
    model.on(event, lost);
    closing.addEventListener("abort", () => model.off(event, lost), { once: true });
  }
  const { kernel } = ((model as { widget_manager?: unknown }).widget_manager ?? {}) as {
    kernel?: HostKernel | null;
  };
  const onStatus = (_: unknown, status: unknown) => {
    if (ENDED.includes(status)) lost();
  };
  for (const [host, slot] of [
    [kernel?.statusChanged, onStatus],
    [kernel?.disposed, lost],
  ] as const) {
    if (typeof host?.connect !== "function") continue;
    host.connect(slot);
    closing.addEventListener("abort", () => host.disconnect(slot), { once: true });
  }

  return {
    line,
    heard: () => set("open"),
    unanswered() {
      if (line.peek() === "open") set("silent");
    },
    lost,
  };
}
