// The part of anywidget's model that the panel uses; the offline page brings its own.
import type { AnyModel } from "@anywidget/types";

export type Model = Pick<AnyModel, "get" | "set" | "save_changes" | "on" | "off" | "send">;

// biome-ignore lint/suspicious/noExplicitAny: hosts call back with different arguments for each event.
export type ModelCallback = (...args: any[]) => void;
