/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What /proc says of a process.
 */
#ifndef CGI_PROCSTAT_H
#define CGI_PROCSTAT_H

#include <sys/types.h>

#define CGI_PROCSTAT_SIZE 512

/**
 * The fields of proc(5)'s stat that follow the name, which may have blanks and
 * brackets itself.
 * @param buf holds them
 * @return " S 123 ...": a blank, the state, the parent and so on; "" if the
 *         process ends just now; NULL: there is none, or no /proc
 */
const char *cgi_procstat_read(pid_t pid, char buf[CGI_PROCSTAT_SIZE]);

#endif /* CGI_PROCSTAT_H */
