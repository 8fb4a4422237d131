/** PHP constants that configuration files are known to use; an extension's own constants are not known here. */
const PHP_CONSTANTS: ReadonlyMap<string, string> = new Map([
  ['E_ERROR', '1'],
  ['E_WARNING', '2'],
  ['E_PARSE', '4'],
  ['E_NOTICE', '8'],
  ['E_CORE_ERROR', '16'],
  ['E_CORE_WARNING', '32'],
  ['E_COMPILE_ERROR', '64'],
  ['E_COMPILE_WARNING', '128'],
  ['E_USER_ERROR', '256'],
  ['E_USER_WARNING', '512'],
  ['E_USER_NOTICE', '1024'],
  ['E_STRICT', '2048'],
  ['E_RECOVERABLE_ERROR', '4096'],
  ['E_DEPRECATED', '8192'],
  ['E_USER_DEPRECATED', '16384'],
  ['E_ALL', '32767'],
  ['M_E', '2.718281828459'],
  ['M_PI', '3.1415926535898'],
  ['PHP_EOL', '\n'],
  ['PHP_OS', 'Linux'],
  ['PHP_OS_FAMILY', 'Linux'],
  ['PHP_INT_MAX', '9223372036854775807'],
  ['PHP_INT_SIZE', '8'],
  ['DIRECTORY_SEPARATOR', '/'],
  ['PATH_SEPARATOR', ':'],
]);

/** The built-in answer to {@link IniLookups.constant}; names are case-sensitive, as in PHP. */
export function phpConstant(name: string): string | undefined {
  return PHP_CONSTANTS.get(name);
}
