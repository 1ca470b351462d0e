/* Licensed under the Apache License, Version 2.0; see LICENSE. */

/* Runs a fuzz target over files, without libFuzzer: a corpus as a test. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A target that finds something does not return. */
static int replay(const char *name)
{
    FILE *file = fopen(name, "rb");
    uint8_t *data = NULL;
    long size = -1;
    int ok = 0;

    if (file && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 &&
        fseek(file, 0, SEEK_SET) == 0 && (data = malloc((size_t)size + 1)) &&
        fread(data, 1, (size_t)size, file) == (size_t)size) {
        LLVMFuzzerTestOneInput(data, (size_t)size);
        ok = 1;
    }
    if (file) {
        fclose(file);
    }
    free(data);
    return ok;
}

int main(int argc, char **argv)
{
    int i, failed = 0;

    printf("1..%d\n", argc);
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    printf("ok 1 - nothing\n");
    for (i = 1; i < argc; i++) {
        printf("# %s\n", argv[i]);
        fflush(stdout);
        if (replay(argv[i])) {
            printf("ok %d - %s\n", i + 1, argv[i]);
        }
        else {
            printf("not ok %d - %s\n", i + 1, argv[i]);
            failed = 1;
        }
    }
    return failed;
}
