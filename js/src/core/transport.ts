// Requests to the kernel and their replies: ids, timeouts and errors in words.
import { type Connection, createConnection } from "./connection";
import { NO_ANSWER } from "./constants";
import type { Request } from "./contract";
import type { Model } from "./model";

export interface Reply {
  content: Record<string, unknown>;
  buffers: DataView[];
}

export interface Transport<Message extends object = Request> {
  request(message: Message): Promise<Reply>;
  /** As `request`, for what nobody waits for: it has all the time it needs. */
  askAhead(message: Message): Promise<Reply>;
  /** Whether someone waits for a reply. */
  isBusy(): boolean;
  connection: Connection;
}

/** A closed connection may open again, but nobody should wait long for that. */
const CLOSED_TIMEOUT = 1000;

/** Hosts should pass a DataView, which may be a view of a larger message; some pass its underlying buffer. */
function toView(buffer: DataView | ArrayBuffer | Uint8Array): DataView {
  if (buffer instanceof DataView) return buffer;
  if (ArrayBuffer.isView(buffer)) return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  return new DataView(buffer);
}

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
  /** None for a request that may take as long as it needs. */
  timer: ReturnType<typeof setTimeout> | undefined;
  ahead: boolean;
}

export function createTransport<Message extends object = Request>(
  model: Model,
  signal: AbortSignal,
  timeout = 20_000,
): Transport<Message> {
  // Every view of a model hears every reply, so ids must not clash between views.
  // (crypto.randomUUID is missing on plain-http notebook servers.)
  const prefix = Math.random().toString(36).slice(2) + Date.now().toString(36);
  const waiting = new Map<string, Waiting>();
  const connection = createConnection(model, signal);
  let count = 0;

  function settle(id: string): Waiting | undefined {
    const entry = waiting.get(id);
    if (entry) {
      clearTimeout(entry.timer);
      waiting.delete(id);
    }
    return entry;
  }

  function receive(content: unknown, buffers?: readonly (DataView | ArrayBuffer | Uint8Array)[]): void {
    if (typeof content !== "object" || content === null) return;
    const reply = content as Record<string, unknown>;
    // The kernel has started, and answers when it is done, however long that takes.
    if (typeof reply.computing === "string") clearTimeout(waiting.get(reply.computing)?.timer);
    connection.heard();
    const entry = typeof reply.id === "string" ? settle(reply.id) : undefined;
    if (!entry) return;
    if (reply.error !== undefined && reply.error !== null) entry.reject(new Error(String(reply.error)));
    else entry.resolve({ content: reply, buffers: (buffers ?? []).map(toView) });
  }

  model.on("msg:custom", receive);
  signal.addEventListener(
    "abort",
    () => {
      model.off("msg:custom", receive);
      for (const id of [...waiting.keys()]) settle(id)?.reject(new Error("the view was closed"));
    },
    { once: true },
  );

  function lose(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    connection.lost();
    // It no longer computes what others wait for, either.
    const gone = new Error(`the kernel no longer holds this widget: run its cell again (${reason})`);
    for (const lost of [...waiting.keys()]) settle(lost)?.reject(gone);
  }

  function expire(id: string): void {
    connection.unanswered();
    settle(id)?.reject(new Error(NO_ANSWER));
  }

  function send(message: Message, ahead: boolean): Promise<Reply> {
    if (signal.aborted) return Promise.reject(new Error("the view was closed"));
    count += 1;
    const id = `${prefix}-${count}`;
    return new Promise((resolve, reject) => {
      const limit = connection.line.peek() === "closed" ? Math.min(timeout, CLOSED_TIMEOUT) : timeout;
      const timer = ahead ? undefined : setTimeout(() => expire(id), limit);
      waiting.set(id, { resolve, reject, timer, ahead });
      try {
        // JupyterLab throws if the kernel is gone; marimo returns a promise, which its server's end rejects.
        const sent: unknown = model.send({ id, ...message });
        if (sent instanceof Promise) sent.catch(lose);
      } catch (error) {
        lose(error);
      }
    });
  }

  return {
    request: (message) => send(message, false),
    askAhead: (message) => send(message, true),
    isBusy: () => [...waiting.values()].some(({ ahead }) => !ahead),
    connection,
  };
}
