/* Control groups as they are found on machines and in containers, made up of plain files. */
#include "data_files.h"

#include "base/cgroup.h"
#include "base/memory.h"

#define MEGABYTE ((size_t)1 << 20)

static void put(const char *name, const char *text) {
    write_bytes(name, text, strlen(text));
}

static void put_group_2(const char *group, const char *limit, const char *used, const char *stat,
                        const char *quota) {
    const char *names[] = {"memory.max", "memory.current", "memory.stat", "cpu.max"};
    const char *texts[] = {limit, used, stat, quota};
    for (size_t i = 0; i < 4; i++) {
        char name[256];
        snprintf(name, sizeof name, "%s/%s", group, names[i]);
        if (texts[i] != NULL)
            put(name, texts[i]);
    }
}

static void assert_limits(size_t memory, size_t processors) {
    assert_int_equal(vgg_cgroup_memory(test_folder), memory);
    assert_int_equal(vgg_cgroup_processors(test_folder), processors);
}

static void test_version_2(void **state) {
    (void)state;
    put("proc/self/cgroup", "0::/user.slice/session.scope\n");
    put("proc/self/mountinfo", "24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
                               "35 24 0:30 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n");
    put_group_2("sys/fs/cgroup/user.slice/session.scope", "max\n", "1048576\n",
                "anon 1048576\ninactive_file 0\n", "max 100000\n");
    assert_limits(SIZE_MAX, SIZE_MAX);
    /* The limit of the group above is the one that holds; pages of files are given back. */
    put_group_2("sys/fs/cgroup/user.slice", "104857600\n", "94371840\n",
                "anon 10485760\ninactive_file 31457280\nactive_file 5242880\n", "250000 100000\n");
    assert_limits(40 * MEGABYTE, 3);
    put_group_2("sys/fs/cgroup/user.slice/session.scope", "2097152\n", "1048576\n",
                "anon 1048576\ninactive_file 0\n", "100000 100000\n");
    assert_limits(MEGABYTE, 1);
    put_group_2("sys/fs/cgroup/user.slice/session.scope", "1048576\n", "1052672\n", NULL, "50 100");
    assert_limits(0, 1);
    put_group_2("sys/fs/cgroup", "4096\n", "0\n", NULL, NULL);
    assert_limits(0, 1);
}

static void test_version_1(void **state) {
    (void)state;
    put("proc/self/cgroup", "5:cpu,cpuacct:/jobs/7\n4:memory:/jobs/7\n3:name=systemd:/\n0::/\n");
    put("proc/self/mountinfo",
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "1073741824\n");
    put("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "41943040\n");
    put("sys/fs/cgroup/memory/jobs/memory.usage_in_bytes", "20971520\n");
    put("sys/fs/cgroup/memory/jobs/memory.stat", "inactive_file 1\ntotal_inactive_file 10485760\n");
    put("sys/fs/cgroup/memory/jobs/7/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/memory/jobs/7/memory.usage_in_bytes", "10485760\n");
    put("sys/fs/cgroup/cpu,cpuacct/jobs/7/cpu.cfs_quota_us", "-1\n");
    put("sys/fs/cgroup/cpu,cpuacct/jobs/7/cpu.cfs_period_us", "100000\n");
    assert_limits(30 * MEGABYTE, SIZE_MAX);
    put("sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us", "400000\n");
    put("sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us", "100000\n");
    assert_limits(30 * MEGABYTE, 4);
}

/* Within a container the group's own folder is mounted in the place of the machine's. */
static void test_containers(void **state) {
    (void)state;
    put("proc/self/cgroup", "4:memory:/docker/ab12\n5:cpu:/docker/ab12/inner\n");
    put("proc/self/mountinfo",
        "35 31 0:32 /docker/ab12 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
        "36 31 0:33 /docker/ab12 /sys/fs/cgroup/cpu ro master:9 - cgroup cgroup rw,cpu\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "41943040\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "20971520\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100001\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    put("sys/fs/cgroup/cpu/inner/cpu.cfs_quota_us", "800000\n");
    put("sys/fs/cgroup/cpu/inner/cpu.cfs_period_us", "100000\n");
    assert_limits(20 * MEGABYTE, 2);
    /* Told from another namespace, and of a group that is not mounted. */
    put("proc/self/cgroup", "4:memory:/../../elsewhere\n5:cpu:/docker/ab123\n");
    assert_limits(20 * MEGABYTE, 2);
}

static void test_nothing_known(void **state) {
    (void)state;
    assert_limits(SIZE_MAX, SIZE_MAX);
    put("proc/self/cgroup", "nonsense\n\n:::\n4:memory:/a\n0::/a\n");
    put("proc/self/mountinfo", "nonsense\n - \n35 31 0:32 / - cgroup cgroup rw,memory\n"
                               "35 31 0:32 / /sys/fs/cgroup rw - cgroup2\n"
                               "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n");
    put("m/a/memory.limit_in_bytes", "many\n");
    put("m/a/memory.usage_in_bytes", "7\n");
    assert_limits(SIZE_MAX, SIZE_MAX);
    assert_true(vgg_memory_available() > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_version_2, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(test_version_1, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(test_containers, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(test_nothing_known, make_test_folder, remove_test_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
