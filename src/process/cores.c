/* cores.c - CPU affinity, and quotas of control groups (versions 1 and 2). */
#define _GNU_SOURCE /* sched_getaffinity */
#include "process/cores.h"

#include "base/fs.h"

#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Read the first n numbers of a file of a group. False for "max" and -1, which mean no limit. */
static bool read_numbers(const char *folder, const char *name, int n, double out[2]) {
    char path[TN_PATH_BYTES];
    int n_read = 0;
    if (tn_path(path, "%s/%s", folder, name) != TN_OK) return false;
    FILE *f = fopen(path, "re");
    if (!f) return false;
    while (n_read < n && fscanf(f, "%lf", &out[n_read]) == 1) n_read++;
    fclose(f);
    return n_read == n;
}

static double quota_of(const char *folder) {
    double of[2], period[2];
    if (!read_numbers(folder, "cpu.max", 2, of)) {
        if (!read_numbers(folder, "cpu.cfs_quota_us", 1, of) || !read_numbers(folder, "cpu.cfs_period_us", 1, period))
            return INFINITY;
        of[1] = period[0];
    }
    return of[0] > 0 && of[1] > 0 ? of[0] / of[1] : INFINITY;
}

/* The smallest quota of the group and all groups above it. In a container the path may be that of the host, and only the top group
 * exists. */
static double least_quota(const char *mounted, const char *controller, char *group) {
    char folder[TN_PATH_BYTES];
    double least = INFINITY;
    for (;;) {
        if (tn_path(folder, "%s%s%s", mounted, controller, group) == TN_OK) least = fmin(least, quota_of(folder));
        char *end = strrchr(group, '/');
        if (!end) return least;
        *end = 0;
    }
}

/* The quota of a line `0::GROUP` (version 2) or `N:CONTROLLERS:GROUP` (version 1). */
static double quota_of_line(char *line, const char *mounted) {
    char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) return INFINITY;
    *group++ = 0;
    controllers++;
    group[strcspn(group, "\n")] = 0;
    if (!*controllers) return least_quota(mounted, "", group);
    for (char *rest = controllers, *one; (one = strsep(&rest, ","));)
        if (strcmp(one, "cpu") == 0) return least_quota(mounted, "/cpu", group);
    return INFINITY;
}

int tn_cores_quota(const char *groups, const char *mounted) {
    char line[TN_PATH_BYTES];
    double least = INFINITY;
    FILE *f = fopen(groups, "re");
    while (f && fgets(line, sizeof line, f)) least = fmin(least, quota_of_line(line, mounted));
    if (f) fclose(f);
    return least < 1e6 ? (int)ceil(least) : 0;
}

int tn_cores(void) {
    cpu_set_t set;
    int bound = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    int quota = tn_cores_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    return quota > 0 && quota < bound ? quota : bound;
}
