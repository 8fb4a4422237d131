// The constants of runtime/hand-over.h, which explains who writes what; a test compares both.

/** `struct tsfpm_hand_over` */
export const HAND_OVER_SIZE = 8;
/** `TSFPM_KEEPER_PAGE_SIZE` */
export const PAGE_SIZE = 4096;
/** `struct tsfpm_keeper_page` */
export const PAGE_FIELDS = { held: 0, ready: 4, closed: 8 } as const;
export const PAGE_USED = 16;

/** Why a keeper has ended, `enum end` in keeper/main.c. */
export const KEEPER_ENDS: ReadonlyMap<number, string> = new Map([
  [70, 'it has no memory'],
  [77, "it cannot become the pool's user"],
  [78, 'it may have too few descriptors (RLIMIT_NOFILE)'],
]);
