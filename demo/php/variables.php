<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>PHP's variables</title>
<link rel="stylesheet" href="/style.css">
<nav><a href="/">Demo</a> &middot; <a href="/php/">PHP</a></nav>
<h1>What PHP is told</h1>
<table>
<?php foreach (['SCRIPT_NAME', 'SCRIPT_FILENAME', 'PATH_INFO', 'QUERY_STRING',
                'REQUEST_URI', 'PHP_SELF', 'REDIRECT_STATUS'] as $name): ?>
<tr><th><?= $name ?><td><?= htmlspecialchars($_SERVER[$name] ?? '') ?>
<?php endforeach ?>
</table>
