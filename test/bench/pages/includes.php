<?php

// The parts are written by the benchmark: classes, as an autoloader would bring them in.
$sum = 0;
for ($i = 0; $i < 300; $i++) {
    $sum += require __DIR__ . "/parts/part-$i.php";
}

echo "Sum of the parts: $sum\n";
