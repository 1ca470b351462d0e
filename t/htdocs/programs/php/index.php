<?php echo "index of the top, path info ", $_SERVER["PATH_INFO"] ?? "none", "\n";
