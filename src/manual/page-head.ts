import { roffText } from '../text/roff.js';

export interface PageHead {
  readonly name: string;
  /** Of the manual. */
  readonly section: 5 | 8;
  readonly title: string;
  readonly version: string;
}

/** How every manual page begins. */
export function pageHead({ name, section, title, version }: PageHead): string {
  return [
    `.TH ${roffText(name)} ${section} "" "tsfpm ${roffText(version)}" "System administration"`,
    '.SH NAME',
    `${roffText(name)} \\- ${roffText(title)}`,
  ].join('\n');
}
