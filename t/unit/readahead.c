/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Reading ahead knows which core it was compiled for. */
/* link: cgi/readahead.c */

#include "cgi/compat.h"
#include "cgi/input.h"
#include "tap.h"

/* of httpd */
ap_filter_rec_t *ap_core_input_filter_handle;
module core_module;

int main(void)
{
    module core = {.version = MODULE_MAGIC_NUMBER_MAJOR,
                   .minor_version = MODULE_MAGIC_NUMBER_MINOR};

    tap_ok(cgi_input_knows_core(&core), "the core it was compiled for");
    core.minor_version++;
    tap_ok(!cgi_input_knows_core(&core), "a newer one");
    core.minor_version -= 2;
    tap_ok(!cgi_input_knows_core(&core), "an older one");
    core.minor_version++;
    core.version++;
    tap_ok(!cgi_input_knows_core(&core), "another 2.x");
    return tap_done();
}
