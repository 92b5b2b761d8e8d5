// Numbers that several rooms agree on.

/** How many of a token's strongest partners are highlighted and listed. */
export const PARTNERS = 5;

/** What a request that was not answered in time is told, and what the panel has advice for. */
export const NO_ANSWER = "no answer from the kernel";
