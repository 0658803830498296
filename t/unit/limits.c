/* Limits found in made-up trees of /proc and /sys: control groups of both versions, nested,
 * hybrid, namespaced, incomplete and nonsensical. */

#include "limits/limits.h"
#include "tap.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MB ((int64_t)1024 * 1024)
#define GB (1024 * MB)
#define USER 33

static char root[64];

/* --- trees ------------------------------------------------------------------------ */

static void make_directories(char *path)
{
    char *slash;

    for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
}

static void put(const char *path, const char *text)
{
    char name[1000];
    FILE *file;

    snprintf(name, sizeof(name), "%s%s", root, path);
    make_directories(name);
    file = fopen(name, "w");
    if (!file || fputs(text, file) < 0 || fclose(file)) {
        printf("Bail out! %s: %s\n", name, strerror(errno));
        exit(1);
    }
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

static void clear(void)
{
    nftw(root, remove_one, 20, FTW_DEPTH | FTW_PHYS);
    mkdir(root, 0755);
}

/* A machine of 16 GB and 8 processors without control groups. */
static void put_machine(void)
{
    clear();
    put("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree:         1000000 kB\n"
        "MemAvailable:   12582912 kB\nBuffers:               0 kB\n");
    put("/proc/self/status", "Name:\tx\nUid:\t0\t0\t0\t0\nCpus_allowed:\tff\n"
        "Cpus_allowed_list:\t0-7\nMems_allowed_list:\t0\n");
    put("/proc/self/limits",
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max processes             60000                unlimited            processes \n"
        "Max open files            1024                 4096                 files     \n");
    put("/proc/sys/kernel/threads-max", "120000\n");
    put("/proc/sys/kernel/pid_max", "4194304\n");
    put("/proc/loadavg", "0.17 0.26 0.84 2/500 12552\n");
}

#define V2_MOUNT "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNTS                                                                                  \
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"                          \
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 master:2 - cgroup cgroup "       \
    "rw,cpu,cpuacct\n"                                                                             \
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"                   \
    "39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n"

static const limits_t *found(uid_t user)
{
    static limits_t limits;

    limits_find(&limits, root, user);
    return &limits;
}

static int64_t tightest(const cgroup_levels_t *levels)
{
    int64_t least = LIMITS_NONE;
    int i;

    for (i = 0; i < levels->count; i++) {
        least = levels->level[i].most < least ? levels->level[i].most : least;
    }
    return least;
}

static bool is_near(double got, double expected)
{
    return got > expected - 0.001 && got < expected + 0.001;
}

/* --- what is found ---------------------------------------------------------------- */

static void test_machine(void)
{
    const limits_t *l;

    put_machine();
    l = found(USER);
    is(l->total_bytes, 16 * GB, "machine: MemTotal");
    is(l->available_bytes, 12 * GB, "machine: MemAvailable");
    is(l->processors, 8, "machine: processors of the affinity mask");
    ok(is_near(l->cpus, 8.0) && !l->cpu_file, "machine: all of them may be used");
    is(l->memory.count + l->pids.count, 0, "machine: no control group limits anything");
    is(l->system_tasks, 120000, "machine: threads-max, which is below pid_max");
    is(l->user_tasks, 60000, "machine: the soft RLIMIT_NPROC");
    is(l->descriptors, 1024, "machine: the soft RLIMIT_NOFILE");
    is(found(0)->user_tasks, LIMITS_NONE, "machine: RLIMIT_NPROC is not for root");
    put("/proc/sys/kernel/pid_max", "32768\n");
    is(found(USER)->system_tasks, 32768, "machine: pid_max, if it is below threads-max");
    put("/proc/self/status", "Cpus_allowed_list:\t1,4-5,63-64\n");
    is(found(USER)->processors, 5, "machine: an affinity mask with holes");
}

static void test_nothing(void)
{
    const limits_t *l;
    limits_usage_t usage = { 0 };
    ctl_ceiling_e why = CTL_NO_CEILING;
    char text[400];

    clear();
    l = found(USER);
    is(l->total_bytes, LIMITS_NONE, "no /proc: memory unknown");
    ok(is_near(l->cpus, 1.0), "no /proc: one processor");
    is(l->system_tasks, LIMITS_NONE, "no /proc: tasks unknown");
    is(l->descriptors, LIMITS_NONE, "no /proc: descriptors unknown");
    limits_refresh_usage(l, &usage, 1);
    ok(limits_max_threads(l, &usage, &why) > 1000000 && why != CTL_NO_CEILING,
       "no /proc: nothing limits but the slots");
    ok(!strcmp(limits_describe(l, text, sizeof(text)),
               "memory unknown, 1 processor, tasks without a limit, descriptors without a limit"),
       "no /proc: and that is said");
    is(limits_memory(l), LIMITS_NONE, "no /proc: as much memory as there is");
}

/* Somebody gives the container other limits while the server runs. */
static void test_changes(const limits_t *first)
{
    limits_t l = *first;

    ok(!limits_find_groups(&l), "no change is told as none");
    is(tightest(&l.memory), 512 * MB, "... and is none");
    put("/sys/fs/cgroup/system.slice/apache2.service/memory.max", "134217728\n");
    ok(limits_find_groups(&l), "a limit that was changed is seen");
    is(tightest(&l.memory), 128 * MB, "... as it is");
    put("/sys/fs/cgroup/system.slice/apache2.service/memory.max", "max\n");
    ok(limits_find_groups(&l) && l.memory.count == 0, "one that was taken away");
    put("/sys/fs/cgroup/system.slice/memory.max", "67108864\n");
    ok(limits_find_groups(&l), "one that was not there");
    is(tightest(&l.memory), 64 * MB, "... as it is");
    put("/sys/fs/cgroup/system.slice/memory.max", "max\n");
    put("/sys/fs/cgroup/system.slice/apache2.service/memory.max", "536870912\n");
    put("/sys/fs/cgroup/system.slice/apache2.service/pids.max", "400\n");
    ok(limits_find_groups(&l) && tightest(&l.pids) == 400, "and one of tasks");
    put("/sys/fs/cgroup/system.slice/apache2.service/pids.max", "512\n");
}

/* Something else is mounted over the first place where the hierarchy is. */
static void test_hidden_mount(void)
{
    put_machine();
    put("/proc/self/mountinfo", "23 1 0:1 / / rw - ext4 /dev/sda rw\n"
        "29 23 0:26 / /hidden rw - cgroup2 cgroup2 rw\n"
        "28 23 0:26 / /missing rw - cgroup2 cgroup2 rw\n" V2_MOUNT);
    put("/proc/self/cgroup", "0::/a\n");
    put("/hidden/.empty", "");
    put("/sys/fs/cgroup/a/memory.max", "536870912\n");
    is(tightest(&found(USER)->memory), 512 * MB, "a mount that shows nothing is passed over");
}

static void test_unified(void)
{
    const limits_t *l;

    put_machine();
    put("/proc/self/mountinfo", "23 1 0:1 / / rw - ext4 /dev/sda rw\n" V2_MOUNT);
    put("/proc/self/cgroup", "0::/system.slice/apache2.service\n");
    put("/sys/fs/cgroup/cgroup.procs", "");
    put("/sys/fs/cgroup/system.slice/memory.max", "max\n");
    put("/sys/fs/cgroup/system.slice/memory.high", "max\n");
    put("/sys/fs/cgroup/system.slice/pids.max", "max\n");
    put("/sys/fs/cgroup/system.slice/cpu.max", "max 100000\n");
    put("/sys/fs/cgroup/system.slice/apache2.service/memory.max", "536870912\n");
    put("/sys/fs/cgroup/system.slice/apache2.service/memory.high", "max\n");
    put("/sys/fs/cgroup/system.slice/apache2.service/pids.max", "512\n");
    put("/sys/fs/cgroup/system.slice/apache2.service/cpu.max", "150000 100000\n");
    l = found(USER);
    is(tightest(&l->memory), 512 * MB, "version 2: memory.max");
    ok(!strcmp(l->memory.level[0].file, "memory.max"), "version 2: by name");
    is(tightest(&l->pids), 512, "version 2: pids.max");
    ok(is_near(l->cpus, 1.5) && !strcmp(l->cpu_file, "cpu.max"), "version 2: 1.5 processors");
    is(l->memory.count, 1, "version 2: groups without a limit do not count");

    test_changes(l);

    put("/sys/fs/cgroup/system.slice/memory.max", "268435456\n");
    put("/sys/fs/cgroup/system.slice/pids.max", "100\n");
    put("/sys/fs/cgroup/system.slice/cpu.max", "50000 100000\n");
    l = found(USER);
    is(tightest(&l->memory), 256 * MB, "version 2: a group around it allows less memory");
    is(l->memory.count, 2, "version 2: both are kept");
    is(tightest(&l->pids), 100, "version 2: ... and fewer tasks");
    ok(is_near(l->cpus, 0.5), "version 2: ... and half a processor");

    put("/sys/fs/cgroup/system.slice/apache2.service/memory.high", "134217728\n");
    l = found(USER);
    is(tightest(&l->memory), 128 * MB, "version 2: memory.high below memory.max");
    ok(!strcmp(l->memory.level[0].file, "memory.high"), "version 2: by name");

    put("/sys/fs/cgroup/system.slice/apache2.service/cpu.max", "1600000 100000\n");
    put("/sys/fs/cgroup/system.slice/cpu.max", "max 100000\n");
    l = found(USER);
    ok(is_near(l->cpus, 8.0) && !l->cpu_file, "version 2: a quota above the processors is none");
}

static void test_version_1(void)
{
    const limits_t *l;

    put_machine();
    put("/proc/self/mountinfo", V1_MOUNTS);
    put("/proc/self/cgroup", "11:memory:/a/b\n9:name=systemd:/x\n8:pids:/c\n1:cpu,cpuacct:/a\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1073741824\n");
    put("/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/a/b/memory.stat", "cache 0\nhierarchical_memory_limit 1073741824\n");
    put("/sys/fs/cgroup/pids/c/pids.max", "64\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "25000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "50000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    l = found(USER);
    is(tightest(&l->memory), GB, "version 1: memory.limit_in_bytes of the outer group");
    ok(!strcmp(l->memory.level[0].file, "memory.limit_in_bytes"), "version 1: by name");
    is(tightest(&l->pids), 64, "version 1: pids.max");
    ok(is_near(l->cpus, 0.5) && !strcmp(l->cpu_file, "cpu.cfs_quota_us"),
       "version 1: half a processor");

    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/a/b/memory.stat",
        "cache 0\nhierarchical_memory_limit 9223372036854771712\n");
    is(found(USER)->memory.count, 0, "version 1: the huge number for none is none");
}

static void test_hybrid(void)
{
    const limits_t *l;

    put_machine();
    put("/proc/self/mountinfo", V1_MOUNTS
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
    put("/proc/self/cgroup", "4:memory:/m\n0::/u\n");
    put("/sys/fs/cgroup/unified/u/cgroup.procs", "");
    put("/sys/fs/cgroup/unified/u/pids.max", "77\n");
    put("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "268435456\n");
    l = found(USER);
    is(tightest(&l->memory), 256 * MB, "hybrid: memory by version 1");
    is(tightest(&l->pids), 77, "hybrid: tasks by version 2");
}

static void test_containers(void)
{
    const limits_t *l;

    put_machine();
    put("/proc/self/mountinfo", V2_MOUNT);
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/memory.max", "134217728\n");
    put("/sys/fs/cgroup/pids.max", "100\n");
    l = found(USER);
    is(tightest(&l->memory), 128 * MB, "container with a namespace: its group is the root");
    is(tightest(&l->pids), 100, "container with a namespace: tasks");

    put("/proc/self/cgroup", "0::/../../outside\n");
    is(tightest(&found(USER)->memory), 128 * MB,
       "a group outside of the namespace: what is mounted");

    put("/proc/self/mountinfo",
        "35 31 0:32 /docker/0123 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    put("/proc/self/cgroup", "4:memory:/docker/0123\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
    is(tightest(&found(USER)->memory), 256 * MB,
       "version 1 with the host's names: the mounted group");

    put("/proc/self/cgroup", "4:memory:/docker/0123/inner\n");
    put("/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "33554432\n");
    is(tightest(&found(USER)->memory), 32 * MB,
       "version 1 with the host's names: a group below it");

    put("/proc/self/cgroup", "4:memory:/docker/01234\n");
    is(tightest(&found(USER)->memory), 256 * MB, "a name that only begins alike is not below it");

    put("/proc/self/mountinfo", "35 31 0:32 / /sys/fs/cg\\040roup rw - cgroup cgroup rw,memory\n");
    put("/proc/self/cgroup", "4:memory:/gone\n");
    put("/sys/fs/cg roup/memory.limit_in_bytes", "67108864\n");
    is(tightest(&found(USER)->memory), 64 * MB,
       "a mount point with a blank, and a group that is not there: what is mounted");
}

static void test_nonsense(void)
{
    static const char *const contents[] = {
        "",      "\n",     "many\n", "-5\n", "99999999999999999999999\n",
        "12x\n", "0x10\n", "max",    "1e9",  "\xff\xfe"
    };
    size_t i;
    int wrong = 0;

    for (i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        const char *text = contents[i];
        const limits_t *l;

        put_machine();
        put("/proc/self/mountinfo", V2_MOUNT V1_MOUNTS);
        put("/proc/self/cgroup", "0::/g\n4:memory:/g\n5:pids:/g\n6:cpu:/g\n");
        put("/sys/fs/cgroup/g/memory.max", text);
        put("/sys/fs/cgroup/g/memory.high", text);
        put("/sys/fs/cgroup/g/pids.max", text);
        put("/sys/fs/cgroup/g/cpu.max", text);
        put("/sys/fs/cgroup/memory/g/memory.limit_in_bytes", text);
        put("/sys/fs/cgroup/memory/g/memory.stat", text);
        put("/sys/fs/cgroup/cpu,cpuacct/g/cpu.cfs_quota_us", text);
        l = found(USER);
        if (l->memory.count || l->pids.count || l->cpu_file) {
            diag("\"%s\" was taken for a limit", text);
            wrong++;
        }
        put("/proc/self/mountinfo", text);
        put("/proc/self/cgroup", text);
        put("/proc/self/status", text);
        put("/proc/self/limits", text);
        put("/proc/meminfo", text);
        put("/proc/loadavg", text);
        l = found(USER);
        wrong += l->processors != 1 || l->total_bytes != LIMITS_NONE
                 || l->descriptors != LIMITS_NONE;
    }
    is(wrong, 0, "nonsense limits nothing");
    put_machine();
    put("/proc/self/mountinfo", V2_MOUNT);
    put("/proc/self/cgroup", "0::/g\n");
    put("/sys/fs/cgroup/g/cpu.max", "50000");
    ok(is_near(found(USER)->cpus, 0.5), "a quota without a period: 100 ms");
    put("/sys/fs/cgroup/g/cpu.max", "50000 0");
    ok(is_near(found(USER)->cpus, 0.5), "a period of nothing: 100 ms");
    put("/sys/fs/cgroup/g/cpu.max", "0 100000");
    ok(is_near(found(USER)->cpus, 8.0), "a quota of nothing is none");
    put("/sys/fs/cgroup/g/cpu.max", "1000 1000000");
    ok(found(USER)->cpus > 0.0, "a tiny quota is more than nothing");
}

/* More nested groups than are kept: the tightest have to be among them. */
static void test_deep(void)
{
    char path[600] = "/sys/fs/cgroup", name[700], text[40];
    const limits_t *l;
    int depth;

    put_machine();
    put("/proc/self/mountinfo", V2_MOUNT);
    for (depth = 0; depth < 3 * CGROUP_LEVELS; depth++) {
        strcat(path, "/inner");
        snprintf(name, sizeof(name), "%s/memory.max", path);
        snprintf(text, sizeof(text), "%" PRId64 "\n", (1000 + (depth * 7) % 24) * MB);
        put(name, text);
    }
    snprintf(name, sizeof(name), "0::%s\n", path + strlen("/sys/fs/cgroup"));
    put("/proc/self/cgroup", name);
    l = found(USER);
    is(l->memory.count, CGROUP_LEVELS, "very deep: as many as there is room for");
    is(tightest(&l->memory), 1000 * MB, "very deep: the tightest is among them");
}

static void test_other_tasks(void)
{
    char parent[100];
    const limits_t *l;

    put_machine();
    put("/proc/1/status", "Name:\tinit\nPPid:\t0\nUid:\t0\t0\t0\t0\nThreads:\t3\n");
    put("/proc/100/status", "Name:\tphp\nPPid:\t1\nUid:\t33\t33\t33\t33\nThreads:\t20\n");
    put("/proc/101/status", "Name:\tcron\nPPid:\t1\nUid:\t33\t33\t33\t33\nThreads:\t1\n");
    snprintf(parent, sizeof(parent),
             "Name:\tours\nPPid:\t%ld\nUid:\t33\t33\t33\t33\nThreads:\t50\n", (long)getpid());
    put("/proc/102/status", parent);
    l = found(USER);
    is(l->user_tasks_of_others, 21, "tasks of the user, but not those of our children");
    put("/proc/self/limits", "Max processes             200000  unlimited  processes \n");
    is(found(USER)->user_tasks_of_others, 0, "not counted when the limit is high");
}

/* --- usage ------------------------------------------------------------------------ */

static void put_group(int64_t most, int64_t used)
{
    char text[40];

    put("/proc/self/mountinfo", V2_MOUNT);
    put("/proc/self/cgroup", "0::/g\n");
    snprintf(text, sizeof(text), "%" PRId64 "\n", most);
    put("/sys/fs/cgroup/g/memory.max", text);
    snprintf(text, sizeof(text), "%" PRId64 "\n", used);
    put("/sys/fs/cgroup/g/memory.current", text);
}

static void test_usage(void)
{
    limits_usage_t usage = { 0 };
    const limits_t *l;

    put_machine();
    put_group(GB, 800 * MB);
    put("/sys/fs/cgroup/g/pids.max", "1000\n");
    put("/sys/fs/cgroup/g/pids.current", "123\n");
    put("/sys/fs/cgroup/g/memory.stat", "anon 104857600\nfile 700\ninactive_file 314572800\n"
                                        "active_file 209715200\nfile_mapped 10485760\nfile_dirty "
                                        "5242880\nslab_reclaimable 1048576\n");
    l = found(USER);
    limits_refresh_usage(l, &usage, 1000000);
    is(usage.memory[0].used, (800 - 300 - 200 + 10 + 5 - 1) * MB,
       "file cache that can be taken back is not used");
    is(usage.tasks[0], 123, "tasks of the group");
    is(usage.system_tasks, 500, "tasks of the system");
    is(usage.available_bytes, 12 * GB, "MemAvailable");
    is(usage.memory[0].growth, 0, "one look shows no growth");

    put("/sys/fs/cgroup/g/memory.current", "943718400\n");
    limits_refresh_usage(l, &usage, 2000000);
    is(usage.memory[0].growth, 100 * MB, "growth in a second");
    limits_refresh_usage(l, &usage, 3000000);
    is(usage.memory[0].growth / MB, 33, "a second later a third of it is remembered");
    limits_refresh_usage(l, &usage, 2000000);
    is(usage.memory[0].growth / MB, 33, "a clock that jumps back does no harm");

    put("/sys/fs/cgroup/g/memory.current", "1000\n");
    limits_refresh_usage(l, &usage, 4000000);
    is(usage.memory[0].used, 0, "more cache than memory: nothing is used");

    put("/proc/self/mountinfo", V1_MOUNTS);
    put("/proc/self/cgroup", "4:memory:/m\n");
    put("/sys/fs/cgroup/memory/m/memory.limit_in_bytes", "268435456\n");
    put("/sys/fs/cgroup/memory/m/memory.usage_in_bytes", "104857600\n");
    put("/sys/fs/cgroup/memory/m/memory.stat", "cache 1\ninactive_file 1\nactive_file 1\n"
        "total_mapped_file 0\ntotal_inactive_file 20971520\ntotal_active_file 10485760\n");
    l = found(USER);
    limits_refresh_usage(l, &usage, 5000000);
    is(usage.memory[0].used, 70 * MB, "version 1: the totals of the group and those in it");
}

static void test_children_bytes(void)
{
    const pid_t pids[] = { 7, 8, 9 };
    long page = sysconf(_SC_PAGESIZE);
    pid_t many[100];
    char text[200];
    int i;

    clear();
    put("/proc/7/statm", "100000 800 500 10 0 3000 0\n");
    put("/proc/8/statm", "100000 1500 500 10 0 3000 0\n");
    is(limits_children_bytes(root, pids, 3), 1300 * page,
       "without smaps_rollup: all that no file backs");
    snprintf(text, sizeof(text), "00400000-7fff [rollup]\nRss:  9000 kB\nPrivate_Clean:  5 kB\n"
             "Private_Dirty: %ld kB\n", 100 * page / 1024);
    put("/proc/7/smaps_rollup", text);
    is(limits_children_bytes(root, pids, 3), 900 * page,
       "what the smallest one shares, the others share too");
    is(limits_children_bytes(root, pids, 0), 0, "no children");
    for (i = 0; i < 100; i++) {
        many[i] = 7;
    }
    is(limits_children_bytes(root, many, 100), 100 * 100 * page, "some stand for many");
}

/* --- the sentence ----------------------------------------------------------------- */

static void is_text(const char *got, const char *expected, const char *name)
{
    if (!ok(!strcmp(got, expected), name)) {
        diag("     got: %s", got);
        diag("expected: %s", expected);
    }
}

static void test_description(void)
{
    char text[400], few[20];
    limits_t l;

    put_machine();
    limits_find(&l, root, USER);
    is_text(
        limits_describe(&l, text, sizeof(text)),
        "memory 9830 MB (80% of MemAvailable 12.0 GB), 8 processors, 60000 tasks (RLIMIT_NPROC), "
        "1024 descriptors per child",
        "a machine");
    is(limits_memory(&l), (int64_t)(0.8 * 12288 * MB), "its memory");
    l.descriptors_held = 900;
    ok(strstr(limits_describe(&l, text, sizeof(text)),
              ", 124 descriptors per child (1024 less 900 for logs and the like)"),
       "log files are not counted as free");
    put_group(256 * MB, MB);
    put("/sys/fs/cgroup/g/cpu.max", "150000 100000\n");
    put("/sys/fs/cgroup/g/pids.max", "512\n");
    limits_find(&l, root, USER);
    l.policy.memory_share = 0.625;
    is_text(
        limits_describe(&l, text, sizeof(text)),
        "memory 160 MB (62.5% of memory.max 256 MB of the control group), 1.5 processors (cpu.max "
        "of the control group), 512 tasks (pids.max of the control group), 1024 descriptors per "
        "child",
        "a container");
    is(limits_memory(&l), 160 * MB, "its memory");
    l.policy.memory_bytes = 64 * MB;
    is(limits_memory(&l), 64 * MB, "its memory, if a size was given");
    ok(strstr(limits_describe(&l, text, sizeof(text)), "memory 64 MB (AdaptiveMemory), "),
       "a size that was given");
    ok(strlen(limits_describe(&l, few, sizeof(few))) == sizeof(few) - 1,
       "a buffer that is too small");
}

int main(void)
{
    tap_begin(60);
    strcpy(root, "/tmp/adaptive-limits-XXXXXX");
    if (!mkdtemp(root)) {
        printf("Bail out! mkdtemp: %s\n", strerror(errno));
        return 1;
    }
    test_machine();
    test_nothing();
    test_hidden_mount();
    test_unified();
    test_version_1();
    test_hybrid();
    test_containers();
    test_nonsense();
    test_deep();
    test_other_tasks();
    test_usage();
    test_children_bytes();
    test_description();
    clear();
    rmdir(root);
    return tap_done();
}
