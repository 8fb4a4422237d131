<?php
// Reads a request's body as an application would that stores it: piece by piece.
$body = fopen('php://input', 'rb');
for ($size = 0; !feof($body); ) $size += strlen(fread($body, 65536));
echo $size;
