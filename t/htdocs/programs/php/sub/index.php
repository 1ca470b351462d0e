<?php echo "index of sub\n";
