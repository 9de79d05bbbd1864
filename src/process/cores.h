/*
 * cores.h - how many processors this process may use.
 *
 * A batch system, taskset and cpusets bind processes to processors. `docker --cpus`, Kubernetes and CPUQuota of systemd
 * leave them all in sight and share out time instead: a quota of time per period, of a control group or one above it.
 *
 * Source  Linux, Documentation: cgroup-v2 (cpu.max), cgroup-v1 (cpu.cfs_quota_us, cpu.cfs_period_us); cgroups(7)
 */
#ifndef TN_PROCESS_CORES_H
#define TN_PROCESS_CORES_H

/* At least 1. */
int tn_cores(void);

/* Among the quotas of the groups in `groups` (/proc/self/cgroup) below the folder `mounted` (/sys/fs/cgroup) the least, in
 * whole processors, rounded up as nproc does; 0: there is none. */
int tn_cores_quota(const char *groups, const char *mounted);

#endif
