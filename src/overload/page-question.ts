import type { PoolConfig } from '../config/config.js';

/** A request for one of the pool's own pages, as a worker would ask it. */
export interface PageQuestion {
  readonly kind: 'ping' | 'status';
  readonly isHead: boolean;
  /** The query of the status page. */
  readonly text: Buffer;
}

/** @returns undefined where the request is for a script */
export function pageQuestion(
  { pingPath, pmStatusPath }: Pick<PoolConfig, 'pingPath' | 'pmStatusPath'>,
  params: ReadonlyMap<string, string>,
): PageQuestion | undefined {
  const path = params.get('SCRIPT_NAME');
  if (!path || (path !== pingPath && path !== pmStatusPath)) return undefined;
  return {
    kind: path === pingPath ? 'ping' : 'status',
    isHead: params.get('REQUEST_METHOD') === 'HEAD',
    text: Buffer.from(params.get('QUERY_STRING') ?? '', 'latin1'),
  };
}
