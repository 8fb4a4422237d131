<?php

// Busy until the client has sent all of its body.
echo strlen(file_get_contents('php://input')), "\n";
