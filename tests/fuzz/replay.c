/* replay.c - calls a fuzz target's entry with every file of a folder: what the fuzzer once found stays found. */
#include "base/fs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int main(int argc, char **argv) {
    int n = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) {
            fprintf(stderr, "%s: not a folder\n", argv[i]);
            return 1;
        }
        for (struct dirent *e; (e = readdir(folder));) {
            char path[TN_PATH_BYTES], *bytes = NULL;
            size_t n_bytes = 0;
            if (e->d_name[0] == '.') continue;
            if (tn_path(path, "%s/%s", argv[i], e->d_name) != TN_OK || tn_file_read(path, &bytes, &n_bytes) != TN_OK) {
                fprintf(stderr, "%s: %s\n", e->d_name, tn_msg);
                return 1;
            }
            LLVMFuzzerTestOneInput((const uint8_t *)bytes, n_bytes);
            free(bytes);
            n++;
        }
        closedir(folder);
    }
    printf("%d files\n", n);
    return n > 0 ? 0 : 1;
}
