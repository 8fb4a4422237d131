import { fileURLToPath } from 'node:url';

/** The C runtime that goes into every php-cgi; dist/src/zygote/ -> dist/runtime/ */
export const RUNTIME_LIBRARY = fileURLToPath(new URL('../../runtime/tsfpm-runtime.so', import.meta.url));
