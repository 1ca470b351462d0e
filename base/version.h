/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * The version of the modules and their programs: the only place for it.
 * debian/changelog has the same, which a test compares.
 */
#ifndef CGI_VERSION_H
#define CGI_VERSION_H

#define CGI_VERSION "1.0~dev"

#endif /* CGI_VERSION_H */
