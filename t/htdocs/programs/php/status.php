<?php
header('Location: /php/index.php', true, 303);
setcookie('name', 'value');
