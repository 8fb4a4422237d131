<?php
// Answers, and works on once it may: ../marks/go tells.
ignore_user_abort(true);
header('X-Finished: yes');
echo 'answered';
$first = fastcgi_finish_request();
$second = fastcgi_finish_request();
$until = microtime(true) + 60;
while (!file_exists(__DIR__ . '/../marks/go') && microtime(true) < $until) { usleep(10000); clearstatcache(); }
$status = connection_status();
echo str_repeat('nobody reads this ', 5000);
file_put_contents(__DIR__ . '/../marks/done', json_encode([$first, $second, $status, $_SERVER['REQUEST_URI']]));
