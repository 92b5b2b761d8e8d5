// Questions to the kernel of which only the newest counts, with errors in words and a way to try again.
import { type Errands, errorText } from "./errands";
import type { Reply, Transport } from "./transport";

/** Asks, and keeps the answer unless something newer was asked meanwhile. `what` begins the sentence about an error. */
export type Asking<Message> = <Wanted extends Message>(
  what: string,
  keep: (reply: Reply, wanted: Wanted) => void,
) => (wanted: Wanted) => void;

export function createAsking<Message extends object>(
  transport: Transport<Message>,
  errands: Errands,
): Asking<Message> {
  return <Wanted extends Message>(what: string, keep: (reply: Reply, wanted: Wanted) => void) => {
    let last: Wanted | null = null;
    const errand = errands.add({ retry: () => last && ask(last) });
    function ask(wanted: Wanted): void {
      last = wanted;
      const run = errand.start();
      transport.request(wanted).then(
        (reply) => {
          if (run.aborted) return;
          errand.settle(null);
          keep(reply, wanted);
        },
        (error) => {
          if (!run.aborted) errand.settle(`${what}: ${errorText(error)}`);
        },
      );
    }
    return ask;
  };
}
