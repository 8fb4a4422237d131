/** Names of a request without the part behind the script; Latin-1, so that no byte is lost. */
export interface ScriptNames {
  /** SCRIPT_NAME, which php-fpm shows as the request URI. */
  readonly uri: string;
  readonly script: string;
}

/** What Apache's mod_proxy_fcgi puts before the path. */
const APACHE_PREFIX = /^proxy:(?:fcgi|balancer):\/\/[^/]*(?=\/)/i;
/** A script with something behind it. Only the disk could tell for sure; it is not asked here. */
const SCRIPT_WITH_PATH_INFO = /^.*?\.php(?=\/)/s;

/**
 * Takes path info off, as php-fpm does with `cgi.fix_pathinfo = 1`, but by name: the first component that ends in
 * `.php` is the script.
 */
export function scriptNames(params: ReadonlyMap<string, string>): ScriptNames {
  const sent = params.get('SCRIPT_FILENAME') ?? params.get('PATH_TRANSLATED') ?? '';
  const uri = params.get('SCRIPT_NAME') ?? '';
  const prefix = APACHE_PREFIX.exec(sent)?.[0];
  const path = prefix === undefined ? sent : beforeQuery(sent.slice(prefix.length));
  const script = SCRIPT_WITH_PATH_INFO.exec(path)?.[0] ?? path;
  const pathInfo = path.slice(script.length);
  return {
    script,
    uri: uriOf(uri, { pathInfo, sent: params.get('PATH_INFO') ?? '', isApache: prefix !== undefined }),
  };
}

function uriOf(
  uri: string,
  { pathInfo, sent, isApache }: { pathInfo: string; sent: string; isApache: boolean },
): string {
  if (pathInfo === '') return uri;
  if (isApache) return uri.endsWith(pathInfo) ? uri.slice(0, -pathInfo.length) : uri;
  return sent.length > pathInfo.length ? sent.slice(0, -pathInfo.length) : uri;
}

function beforeQuery(path: string): string {
  return path.split('?', 1)[0] ?? path;
}
