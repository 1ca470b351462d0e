/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/**
 * What would run for a URL: asked of a configuration that is only tested, by
 * httpd -t -D CGI_LOOKUP=FILE. For scripts/cgi-check.
 *
 * FILE has a request in each line: seven words, each ended by a tab but the
 * last: address and port that the client has connected to, address of the
 * client, method, Host, path with query. The servers and routes of the
 * configuration are told in any case.
 *
 * The answer is in lines on stdout, "CGI-LOOKUP NUMBER KEY VALUE": the number
 * of the request, from 0, or "-"; the value as in a form (RFC 1866, 8.2.1).
 * What httpd logs stands between them.
 */
#ifndef CGI_LOOKUP_H
#define CGI_LOOKUP_H

#include "apr_tables.h"

#include "cgi/cgi_exec.h"

/**
 * Says of a request after its fixups, or when access to it was refused,
 * whether the module's handler would run a script.
 * @param options filled in as for cgi_exec_run(), if it would
 * @param facts more keys and values, from r->pool
 * @return 1 or 0
 */
typedef int cgi_lookup_describe_t(request_rec *r, cgi_exec_options_t *options,
                                  apr_table_t *facts);

/** In register_hooks. */
void cgi_lookup_register_hooks(cgi_lookup_describe_t *describe);

/** In test_config: is anything asked for? */
int cgi_lookup_is_wanted(void);

/** Where a server is configured: FILE:LINE; "main" for the main server. */
const char *cgi_lookup_server(apr_pool_t *p, const server_rec *s);

/** Write one line. @param number of the request, or -1 */
void cgi_lookup_say(apr_pool_t *p, int number, const char *key,
                    const char *value);

#endif /* CGI_LOOKUP_H */
