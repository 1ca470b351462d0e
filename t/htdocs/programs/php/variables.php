<?php
header('Content-Type: text/plain');
foreach (['SCRIPT_NAME', 'SCRIPT_FILENAME', 'PATH_INFO', 'QUERY_STRING',
          'REQUEST_METHOD', 'REQUEST_URI', 'PHP_SELF', 'REDIRECT_STATUS',
          'CONTENT_LENGTH', 'CONTENT_TYPE'] as $name) {
    echo $name, '=', $_SERVER[$name] ?? '(unset)', "\n";
}
echo 'ARGC=', $_SERVER['argc'] ?? 0, "\n";
echo 'FILE=', __FILE__, "\n";
