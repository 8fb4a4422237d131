import { fileURLToPath } from 'node:url';
import type { CallPlace } from './line-format.js';

/**
 * Where `callee` was called from: function and line of the compiled program. Takes some microseconds.
 *
 * @param callee a function that is being called now; it and what it calls are left out
 */
export function callerOf(callee: (...args: never[]) => unknown): CallPlace {
  const { prepareStackTrace, stackTraceLimit } = Error;
  const holder: { stack?: unknown } = {};
  try {
    Error.stackTraceLimit = 1;
    Error.prepareStackTrace = (_error, sites) => sites[0];
    Error.captureStackTrace(holder, callee);
    const site = holder.stack as NodeJS.CallSite | undefined;
    return { functionName: site?.getFunctionName() ?? fileOf(site), line: site?.getLineNumber() ?? 0 };
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** An anonymous function is known by its file: `bind.js`. */
function fileOf(site: NodeJS.CallSite | undefined): string {
  const name = site?.getFileName() ?? '';
  const path = name.startsWith('file:') ? fileURLToPath(name) : name;
  return path.slice(path.lastIndexOf('/') + 1) || 'main';
}
