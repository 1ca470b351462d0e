/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * Open a file below a directory, whatever others do to the names in between.
 */
#ifndef CGI_BENEATH_H
#define CGI_BENEATH_H

/**
 * Open a file for reading. No part of its name may be a symbolic link: who may
 * write below the directory can't exchange one between a check and the use.
 * @param dir the directory, without such parts by the caller's word
 * @param name below it, not beginning with a slash
 * @return a descriptor, which does not block; or -1 and errno
 */
int cgi_beneath_open(const char *dir, const char *name);

/** The same, name by name, for kernels that have no openat2() (before 5.6). */
int cgi_beneath_walk(const char *dir, const char *name);

#endif /* CGI_BENEATH_H */
