// The part of anywidget's model that the panel uses; the offline page brings its own.
import type { AnyModel } from "@anywidget/types";

export type Model = Pick<AnyModel, "get" | "set" | "save_changes" | "on" | "off" | "send">;

/** A model that leads to others of the same kernel, as hosts give it; some hosts do not. */
export type HostedModel = Model & Partial<Pick<AnyModel, "widget_manager">>;

// biome-ignore lint/suspicious/noExplicitAny: hosts call back with different arguments for each event.
export type ModelCallback = (...args: any[]) => void;
