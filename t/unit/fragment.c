/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Templates, and which text is a fragment. */
/* link: base/fragment.c */

#include <stdlib.h>

#include "apr_general.h"
#include "apr_strings.h"

#include "base/fragment.h"
#include "tap.h"

static apr_pool_t *pool;

/* ---- templates ---- */

/* The parts as a text: {t} {n} {c} for words, [...] for text. */
static const char *parsed(const char *text)
{
    static const char *const names[] = {"", "{t}", "{n}", "{c}"};
    cgi_skin_template_t skin;
    const char *error = cgi_skin_parse(&skin, text, strlen(text), pool);
    const char *all = "";
    int i;

    for (i = 0; !error && i < skin.parts->nelts; i++) {
        const cgi_skin_part_t *part =
            &APR_ARRAY_IDX(skin.parts, i, cgi_skin_part_t);

        all = part->word == CGI_SKIN_TEXT
                  ? apr_psprintf(pool, "%s[%.*s]", all, (int)part->len,
                                 part->text)
                  : apr_pstrcat(pool, all, names[part->word], NULL);
    }
    return error
               ? error
               : apr_pstrcat(pool, all, skin.has_nonce ? " nonce" : "", NULL);
}

#define ONCE "a template must have $<content>, and only once"

static void templates(void)
{
    static const struct {
        const char *text, *parts;
    } cases[] = {
        {"$<content>", "{c}"},
        {"a$<title>b$<content>c", "[a]{t}[b]{c}[c]"},
        {"$<title>$<title>$<nonce>$<content>$<nonce>",
         "{t}{t}{n}{c}{n} nonce"},
        {"$ $$ $< $<> $<a b> $<title $<content>",
         "[$ $$ $< $<> $<a b> $<title ]{c}"},
        {"$<content>$", "{c}[$]"},
        {"$<content>$<", "{c}[$<]"},
        {"$<content>$<titl", "{c}[$<titl]"},
        {"", ONCE},
        {"$<title>", ONCE},
        {"$<content>$<content>", ONCE},
        {"$<content>\n\n$<Title>",
         "a template must not have $<Title> (line 3): its words are $<title>, "
         "$<nonce> and $<content>"},
        {"$<contents>",
         "a template must not have $<contents> (line 1): its words are "
         "$<title>, $<nonce> and $<content>"},
    };
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tap_is(parsed(cases[i].text), cases[i].parts, cases[i].text);
    }
}

/* ---- fragments ---- */

/* In memory of just that length, so that a tool sees a read behind it. */
static const char *judged(const char *text, size_t len, int all)
{
    static const char *const names[] = {"unknown", "whole", "fragment"};
    char *copy = malloc(len ? len : 1);
    const char *title, *result;
    apr_size_t title_len;
    cgi_page_e page;

    memcpy(copy, text, len);
    page = cgi_skin_judge(copy, len, all, &title, &title_len);
    result = title ? apr_psprintf(pool, "%s: %.*s", names[page],
                                  (int)title_len, title)
                   : names[page];
    free(copy);
    return result;
}

static void fragments(void)
{
    static const struct {
        const char *text, *page;
    } cases[] = {
        {"<!doctype html><html>", "whole"},
        {"<!DOCTYPE html>", "whole"},
        {"\xef\xbb\xbf \r\n\t<HTML>", "whole"},
        {"<html lang=en>", "whole"},
        {"<head><title>x</title>", "whole"},
        {"<title>x</title>", "whole"},
        {"<body bgcolor=red>", "whole"},
        {"<frameset cols=2>", "whole"},
        {"<?xml version=\"1.0\"?><html>", "whole"},
        {"<!-- <p> --><!----> <html>", "whole"},
        {"", "whole"},
        {" \n", "whole"},
        {"text", "fragment"},
        {"<", "fragment"},
        {"<p>", "fragment"},
        {"<header>x", "fragment"},
        {"<html-x>", "fragment"},
        {"<htm", "fragment"},
        {"<!-- no end", "fragment"},
        {"<!-- a --><p>", "fragment"},
        {"<p data-title=x", "fragment"},
        {"<div class='fossil-doc' data-title='A title'>\n<p>",
         "fragment: A title"},
        {"<div DATA-TITLE=\"it's &lt; 1\" x>", "fragment: it's &lt; 1"},
        {"<div data-title=one>", "fragment: one"},
        {"<div data-title = one/>", "fragment: one/"},
        {"<div data-title=''>", "fragment: "},
        {"<div data-title>", "fragment"},
        {"<div x-data-title=a data-titles=b>", "fragment"},
        {"<div title='data-title=x' data-title='>'>", "fragment: >"},
        {"<div data-title=a data-title=b>", "fragment: a"},
        {"<p><div data-title=a>", "fragment"},
        {"<!-- x --> <div data-title=a>", "fragment: a"},
    };
    size_t i, n;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *text = cases[i].text;

        tap_is(judged(text, strlen(text), 1), cases[i].page, text);
        /* Byte by byte: no early answer is another one than the last. */
        for (n = 0; n < strlen(text); n++) {
            const char *early = judged(text, n, 0);

            if (strncmp(early, "unknown", 7) && strcmp(early, cases[i].page)) {
                tap_ok(0, "%s: %s after %d bytes", text, early, (int)n);
                break;
            }
        }
        tap_ok(n == strlen(text), "%s: the same in pieces", text);
    }
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    templates();
    fragments();
    apr_pool_destroy(pool);
    apr_terminate();
    return tap_done();
}
