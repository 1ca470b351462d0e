<?php echo "x of sub\n";
