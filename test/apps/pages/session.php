<?php
session_start();
$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
setcookie('colour', 'green and blue', ['path' => '/', 'samesite' => 'Lax', 'httponly' => true]);
echo "visit {$_SESSION['visits']}, session ", session_status(), "\n";
