/* What finding a script depends on in PHP: two settings, and its own test whether a file exists. */
#ifndef TSFPM_SCRIPT_RULES_H
#define TSFPM_SCRIPT_RULES_H

#include "script-path.h"

void tsfpm_script_rules_prepare(void); /* once PHP is there */
const struct tsfpm_script_rules *tsfpm_script_rules(void);

#endif
