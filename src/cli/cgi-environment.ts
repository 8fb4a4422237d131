/** Any of these makes `php-cgi` answer a request instead of doing what its options say. */
const REQUEST_VARIABLES: readonly string[] = [
  'CONTENT_LENGTH',
  'CONTENT_TYPE',
  'GATEWAY_INTERFACE',
  'PATH_INFO',
  'PATH_TRANSLATED',
  'QUERY_STRING',
  'REQUEST_METHOD',
  'REQUEST_URI',
  'SCRIPT_FILENAME',
  'SCRIPT_NAME',
  'SERVER_NAME',
  'SERVER_PROTOCOL',
  'SERVER_SOFTWARE',
];

const REQUEST_PREFIXES: readonly string[] = ['HTTP_', 'REDIRECT_', 'ORIG_', 'FCGI_', 'PHP_FCGI_'];

/** The environment without what a web server leaves in it; PHPRC and PHP_INI_SCAN_DIR stay. */
export function withoutRequest(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(
      ([name]) =>
        !REQUEST_VARIABLES.includes(name) && !REQUEST_PREFIXES.some((prefix) => name.startsWith(prefix)),
    ),
  );
}
