/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Whether suexec plays a part in this httpd at all.
 */
#ifndef CGI_SUEXEC_H
#define CGI_SUEXEC_H

/** Is suexec installed, and a module loaded that says whose a script is
 * (mod_suexec, mod_userdir)? From post_config on. */
int cgi_suexec_is_possible(void);

#endif /* CGI_SUEXEC_H */
