// Numbers of FastCGI 1.0 that clients need which test a worker; the master needs none of them.

/** Web server -> application: gives a request up (section 5.4). PHP does not support it. */
export const FCGI_ABORT_REQUEST = 2;
/** Second input stream of the filter role (section 5.3). */
export const FCGI_DATA = 8;
/** Management: asks for limits (section 4.1). */
export const FCGI_GET_VALUES = 9;
/** Management: the limits asked for (section 4.1). */
export const FCGI_GET_VALUES_RESULT = 10;
/** Request id of management records (section 3.3). */
export const FCGI_NULL_REQUEST_ID = 0;
