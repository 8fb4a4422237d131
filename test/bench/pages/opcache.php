<?php

$status = function_exists('opcache_get_status') ? opcache_get_status(false) : false;
echo 'Cached scripts: ', $status ? $status['opcache_statistics']['num_cached_scripts'] : 0, "\n";
