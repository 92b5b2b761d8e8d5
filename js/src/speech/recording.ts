// The windows of one recording among the sentences: records whose sounds follow one another.
import type { SentenceInfo } from "../core/contract";

/** A window: the index of its sentence, and where it lies in the recording, in seconds. */
export interface Window {
  sentence: number;
  start: number;
  end: number;
}

/** What has not been read of the recording of some windows. */
export interface Unread {
  /** Up to where it has been read, in seconds of the recording, and how long it is. */
  from: number;
  end: number;
}

/** The part of a recording that has not been read yet; null where all has been, or where nobody knows. */
export function unreadOf(sentences: readonly SentenceInfo[], windows: readonly Window[]): Unread | null {
  const last = windows[windows.length - 1];
  const recording = last && sentences[last.sentence]?.sound?.recording;
  return recording && !recording.complete ? { from: last.end, end: recording.seconds } : null;
}

/**
 * The windows around a sentence, in order; itself alone where it has no neighbors. A window follows another if it is of
 * the same model and rate, and begins after it and no later than it ends, give or take a second. Other hypotheses and
 * readings of a window count as that window.
 */
export function windowsOf(sentences: readonly SentenceInfo[], sentence: number): Window[] {
  const windows: Window[] = [];
  const groups = new Set<number>();
  sentences.forEach((info, index) => {
    if (!info.sound) return;
    const { group } = info;
    const represents = index === sentence || group !== sentences[sentence]?.group;
    if (group !== undefined && (groups.has(group) || !represents)) return;
    if (group !== undefined) groups.add(group);
    const { offset, seconds } = info.sound;
    windows.push({ sentence: index, start: offset, end: offset + seconds });
  });
  const place = windows.findIndex((window) => window.sentence === sentence);
  if (place < 0) return [];
  let [first, last] = [place, place];
  while (first > 0 && follows(sentences, windows[first - 1], windows[first])) first--;
  while (last + 1 < windows.length && follows(sentences, windows[last], windows[last + 1])) last++;
  return windows.slice(first, last + 1);
}

/** The seconds that may lie between two windows. */
const PAUSE = 1;

function follows(sentences: readonly SentenceInfo[], a?: Window, b?: Window): boolean {
  if (!a || !b) return false;
  const [one, other] = [sentences[a.sentence], sentences[b.sentence]];
  return (
    one?.model === other?.model &&
    one?.sound?.rate === other?.sound?.rate &&
    b.start > a.start &&
    b.start <= a.end + PAUSE
  );
}
