// Stand-ins for what jsdom lacks: observers, media queries and canvases.
import { vi } from "vitest";

/** Observers alive at the moment, so that a test can see that an unmounted panel left none. */
export const observers = new Set<unknown>();

class Observer {
  observe(): void {
    observers.add(this);
  }
  unobserve(): void {}
  disconnect(): void {
    observers.delete(this);
  }
  takeRecords(): [] {
    return [];
  }
}

if (typeof document !== "undefined") standIn();

function standIn(): void {
  // jsdom lays nothing out, and a panel without a width waits for one.
  Object.defineProperty(HTMLElement.prototype, "clientWidth", { get: () => 800, configurable: true });

  vi.stubGlobal("ResizeObserver", Observer);
  vi.stubGlobal("IntersectionObserver", Observer);
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener() {}, removeEventListener() {} }));
  HTMLCanvasElement.prototype.getContext = () => null;
}
