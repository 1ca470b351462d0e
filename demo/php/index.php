<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A PHP page</title>
<link rel="stylesheet" href="/style.css">
<nav><a href="/">Demo</a></nav>
<h1>A PHP page</h1>
<p>PHP <?= htmlspecialchars(PHP_VERSION) ?> (<?= PHP_SAPI ?>) answers
<code><?= htmlspecialchars($_SERVER['REQUEST_URI']) ?></code>. SCRIPT_NAME is
<code><?= htmlspecialchars($_SERVER['SCRIPT_NAME']) ?></code>.
<form method="post" enctype="multipart/form-data">
<label for="word">A word</label>
<input id="word" name="word">
<label for="file">A file</label>
<input id="file" type="file" name="file">
<p><button>Send</button>
</form>
<?php if ($_SERVER['REQUEST_METHOD'] === 'POST'): ?>
<table>
<tr><th>Word<td><?= htmlspecialchars($_POST['word'] ?? '') ?>
<tr><th>File<td><?= htmlspecialchars($_FILES['file']['name'] ?? '') ?>
<tr><th>Bytes<td><?= (int)($_FILES['file']['size'] ?? 0) ?>
</table>
<?php endif ?>
