/** Names of the months in the C locale. */
export const MONTHS: readonly string[] = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** `Jan` */
export const SHORT_MONTHS: readonly string[] = MONTHS.map((name) => name.slice(0, 3));
