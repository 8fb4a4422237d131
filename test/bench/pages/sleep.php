<?php

usleep(1000000);
echo "Slept.\n";
