/* Licensed under the Apache License, Version 2.0; see LICENSE. */

#include <string.h>
#include <strings.h>

#include "apr_lib.h"
#include "apr_strings.h"

#include "base/fragment.h"

/* ---- templates ---- */

static const char *const words[] = {NULL, "title", "nonce", "content"};
#define WORDS (sizeof(words) / sizeof(words[0]))

static void add(cgi_skin_template_t *skin, cgi_skin_word_e word,
                const char *text, apr_size_t len)
{
    cgi_skin_part_t *part;

    if (word == CGI_SKIN_TEXT && !len) {
        return;
    }
    part = apr_array_push(skin->parts);
    part->word = word;
    part->text = text;
    part->len = len;
}

/* The length of the word's name behind "$<"; 0: there is none. */
static apr_size_t name_length(const char *name, const char *end)
{
    const char *at = name;

    while (at < end && (apr_isalnum(*at) || *at == '_' || *at == '-')) {
        at++;
    }
    return at < end && *at == '>' ? (apr_size_t)(at - name) : 0;
}

/* @return 0: there is no such word */
static int find_word(const char *name, apr_size_t n, cgi_skin_word_e *word)
{
    size_t i;

    for (i = 1; i < WORDS; i++) {
        if (strlen(words[i]) == n && !memcmp(words[i], name, n)) {
            *word = (cgi_skin_word_e)i;
            return 1;
        }
    }
    return 0;
}

static int line_of(const char *text, const char *at)
{
    int line = 1;

    for (; text < at; text++) {
        line += *text == '\n';
    }
    return line;
}

const char *cgi_skin_parse(cgi_skin_template_t *skin, const char *text,
                           apr_size_t len, apr_pool_t *p)
{
    const char *end = text + len, *start = text, *at = text;
    int contents = 0;

    skin->parts = apr_array_make(p, 8, sizeof(cgi_skin_part_t));
    skin->has_nonce = 0;
    while ((at = memchr(at, '$', (size_t)(end - at))) != NULL) {
        cgi_skin_word_e word = CGI_SKIN_TEXT;
        apr_size_t n =
            at + 1 < end && at[1] == '<' ? name_length(at + 2, end) : 0;

        if (!n) {
            at++;
            continue;
        }
        if (!find_word(at + 2, n, &word)) {
            return apr_psprintf(p,
                                "a template must not have $<%.*s> (line %d): "
                                "its words are $<title>, $<nonce> and "
                                "$<content>",
                                n > 40 ? 40 : (int)n, at + 2,
                                line_of(text, at));
        }
        add(skin, CGI_SKIN_TEXT, start, (apr_size_t)(at - start));
        add(skin, word, NULL, 0);
        contents += word == CGI_SKIN_CONTENT;
        skin->has_nonce |= word == CGI_SKIN_NONCE;
        start = at += n + 3;
    }
    add(skin, CGI_SKIN_TEXT, start, (apr_size_t)(end - start));
    return contents == 1 ? NULL
                         : "a template must have $<content>, and only once";
}

/* ---- fragments ---- */

/* All texts that a page begins with; behind a name comes no letter. */
static const char *const pages[] = {
    "<!doctype", "<html", "<head", "<title", "<body", "<frameset", "<?xml"};

static const char *skip(const char *at, const char *end)
{
    while (at < end && apr_isspace(*at)) {
        at++;
    }
    return at;
}

/* White space and comments. @return where they end; NULL: in a comment that
 * has no end */
static const char *skip_space(const char *at, const char *end)
{
    for (;;) {
        at = skip(at, end);
        if (end - at < 4 || memcmp(at, "<!--", 4)) {
            return at;
        }
        for (at += 4; end - at >= 3 && memcmp(at, "-->", 3); at++) {
            ;
        }
        if (end - at < 3) {
            return NULL;
        }
        at += 3;
    }
}

/* Does the text begin one of the pages? UNKNOWN: it is too short to tell */
static cgi_page_e find_page(const char *at, apr_size_t len)
{
    cgi_page_e found = CGI_PAGE_FRAGMENT;
    size_t i;

    for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        apr_size_t n = strlen(pages[i]);

        if (!strncasecmp(at, pages[i], len < n ? len : n)) {
            if (len > n && !apr_isalnum(at[n]) && at[n] != '-') {
                return CGI_PAGE_WHOLE;
            }
            if (len <= n) {
                found = CGI_PAGE_UNKNOWN;
            }
        }
    }
    /* or a comment */
    return len < 4 && !memcmp(at, "<!--", len) ? CGI_PAGE_UNKNOWN : found;
}

/* An attribute's value. @return behind it; NULL: it has no end */
static const char *read_value(const char *at, const char *end,
                              const char **value, apr_size_t *len)
{
    const char *start = at;

    if (*at == '"' || *at == '\'') {
        at = memchr(at + 1, *start, (size_t)(end - at) - 1);
        *value = start + 1;
        *len = at ? (apr_size_t)(at - start) - 1 : 0;
        return at ? at + 1 : NULL;
    }
    while (at < end && !apr_isspace(*at) && *at != '>') {
        at++;
    }
    *value = start;
    *len = (apr_size_t)(at - start);
    return at < end ? at : NULL;
}

/* The value of data-title in the tag that begins here.
 * @return 0: the tag has no end */
static int find_title(const char *at, const char *end, const char **title,
                      apr_size_t *title_len)
{
    static const char wanted[] = "data-title";
    const char *name, *value;
    apr_size_t len, value_len;

    for (at++; at < end && apr_isalnum(*at); at++) {
        ;
    }
    for (;;) {
        while (at < end && (apr_isspace(*at) || *at == '/')) {
            at++;
        }
        if (at == end) {
            return 0;
        }
        if (*at == '>') {
            return 1;
        }
        for (name = at++; at < end && !apr_isspace(*at) && *at != '=' &&
                          *at != '>' && *at != '/';
             at++) {
            ;
        }
        len = (apr_size_t)(at - name);
        at = skip(at, end);
        if (at == end) {
            return 0;
        }
        if (*at != '=') {
            continue;
        }
        at = skip(at + 1, end);
        if (at == end ||
            (at = read_value(at, end, &value, &value_len)) == NULL) {
            return 0;
        }
        if (!*title && len == sizeof(wanted) - 1 &&
            !strncasecmp(name, wanted, len)) {
            *title = value;
            *title_len = value_len;
        }
    }
}

cgi_page_e cgi_skin_judge(const char *data, apr_size_t len, int all,
                          const char **title, apr_size_t *title_len)
{
    const cgi_page_e open = all ? CGI_PAGE_FRAGMENT : CGI_PAGE_UNKNOWN;
    const char *at = data, *end = data + len;
    cgi_page_e page;

    *title = NULL;
    *title_len = 0;
    if (!all && len < 3 && !memcmp(at, "\xef\xbb\xbf", len)) {
        return CGI_PAGE_UNKNOWN;
    }
    if (len >= 3 && !memcmp(at, "\xef\xbb\xbf", 3)) { /* a mark of UTF-8 */
        at += 3;
    }
    at = skip_space(at, end);
    if (!at) {
        return open;
    }
    if (at == end) {
        return all ? CGI_PAGE_WHOLE : CGI_PAGE_UNKNOWN;
    }
    if (*at != '<') {
        return CGI_PAGE_FRAGMENT;
    }
    page = find_page(at, (apr_size_t)(end - at));
    if (page != CGI_PAGE_FRAGMENT) {
        return page == CGI_PAGE_UNKNOWN ? open : page;
    }
    if (!find_title(at, end, title, title_len)) {
        return open;
    }
    return CGI_PAGE_FRAGMENT;
}
