/*
 * cores.h - the number of processors that this process may use. All functions are local.
 *
 * Batch systems, taskset and cpusets bind processes to processors. `docker --cpus`, Kubernetes and CPUQuota of systemd show all
 * processors, but limit CPU time per period for a control group or a group above it.
 *
 * Source  Linux, Documentation: cgroup-v2 (cpu.max), cgroup-v1 (cpu.cfs_quota_us, cpu.cfs_period_us); cgroups(7)
 */
#ifndef TN_PROCESS_CORES_H
#define TN_PROCESS_CORES_H

/* At least 1. */
int tn_cores(void);

/* The smallest quota of the control groups in the file `groups` (/proc/self/cgroup), which are below the folder `mounted`
 * (/sys/fs/cgroup), in processors, rounded up as nproc does; 0: there is none. */
int tn_cores_quota(const char *groups, const char *mounted);

#endif
