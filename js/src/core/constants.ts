// Constants that several parts of the panel share.

/** How many of a token's strongest partners are highlighted and listed. */
export const PARTNERS = 5;

/** Above this many words or tokens on either side, each row starts with its strongest line alone. */
export const LONG = 25;

/** The error of a request that was not answered in time; the panel adds advice to it. */
export const NO_ANSWER = "no answer from the kernel";
