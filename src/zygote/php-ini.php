<?php
// Asked by php-ini.ts: a setting as php.ini has it, behind a "="; nothing where it has none. The name comes as a setting
// itself: arguments do not arrive where php.ini turns them off.
$value = get_cfg_var(get_cfg_var('tsfpm.ask'));
if (is_string($value)) {
    echo '=', $value;
}
