<?php
header('Content-Type: text/plain');
echo 'Hello, ', $_GET['name'] ?? 'world', ".\n";
