import type { Fd } from '../units.js';

/** A pool that is ready for its new generation, on the listening socket that it has now and on that of the new one. */
export interface Move {
  readonly pool: string;
  /** undefined: the pool is new. */
  readonly from: Fd | undefined;
  /** No two pools of a configuration have the same. */
  readonly to: Fd;
}

/**
 * Pools that cannot go over to their new generation, because its socket stays with another pool. A pool that cannot go
 * over keeps its own socket in turn, so that whoever was to have that one is blocked as well.
 *
 * @param holders pools that keep the socket they have, by that socket
 * @returns who keeps a pool's new socket, by that pool; each after what it is blocked by
 */
export function blockedMoves(
  moves: readonly Move[],
  holders: ReadonlyMap<Fd, string>,
): ReadonlyMap<string, string> {
  const movesByTarget = new Map(moves.map((move) => [move.to, move]));
  const blocked = new Map<string, string>();
  for (const first of moves) {
    let move: Move | undefined = first;
    let holder = holders.get(first.to);
    while (move !== undefined && holder !== undefined && !blocked.has(move.pool)) {
      blocked.set(move.pool, holder);
      holder = move.pool;
      move = move.from === undefined ? undefined : movesByTarget.get(move.from);
    }
  }
  return blocked;
}
