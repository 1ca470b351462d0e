/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* The smallest useful CGI program: what it costs is what its start costs. */
#include <unistd.h>

int main(void)
{
    static const char answer[] = "Content-Type: text/plain\n\nhello\n";

    return write(1, answer, sizeof(answer) - 1) != (ssize_t)sizeof(answer) - 1;
}
