/**
 * A question to the system that thousands of pools ask one after the other, such as for a user by name: put once in a
 * turn of the event loop, so that later turns see what has changed. What throws, or has no answer, is asked again.
 */
export function onceATurn<Args extends readonly (string | number | undefined)[], Answer>(
  ask: (...args: Args) => Answer,
): (...args: Args) => Answer {
  const known = new Map<string, Answer>();
  return (...args) => {
    const key = JSON.stringify(args);
    const before = known.get(key);
    if (before !== undefined) return before;
    const answer = ask(...args);
    if (known.size === 0) setImmediate(() => known.clear());
    known.set(key, answer);
    return answer;
  };
}
