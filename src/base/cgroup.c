/* cgroups(7): /proc/self/cgroup names this process's group in each hierarchy by its path within it,
 * /proc/self/mountinfo (proc_pid_mountinfo(5)) where each hierarchy, or a part of it, is mounted.
 */
#include "base/cgroup.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* Asks a group, by the path of its folder, for a limit. */
typedef size_t group_limit(const char *group, bool version_2);

static char *path_of(const char *folder, const char *name) {
    vgg_text path = {0};
    vgg_text_add(&path, "%s/%s", folder, name);
    return vgg_text_take(&path);
}

static FILE *open_below(const char *folder, const char *name) {
    char *path = path_of(folder, name);
    FILE *file = path == NULL ? NULL : fopen(path, "re");
    vgg_free(path);
    return file;
}

size_t vgg_kernel_number(const char *path, const char *key) {
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return SIZE_MAX;
    size_t value = SIZE_MAX;
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        unsigned long long number;
        if (strncmp(line, key, strlen(key)) == 0 &&
            sscanf(line + strlen(key), "%llu", &number) == 1) {
            value = (size_t)number;
            break;
        }
    }
    fclose(file);
    return value;
}

static size_t read_number(const char *group, const char *name, const char *key) {
    char *path = path_of(group, name);
    size_t value = path == NULL ? SIZE_MAX : vgg_kernel_number(path, key);
    vgg_free(path);
    return value;
}

static size_t memory_left(const char *group, bool version_2) {
    size_t limit = read_number(group, version_2 ? "memory.max" : "memory.limit_in_bytes", "");
    size_t used = read_number(group, version_2 ? "memory.current" : "memory.usage_in_bytes", "");
    size_t cached =
        read_number(group, "memory.stat", version_2 ? "inactive_file " : "total_inactive_file ");
    if (limit == SIZE_MAX || used == SIZE_MAX)
        return SIZE_MAX;
    used -= cached == SIZE_MAX ? 0 : vgg_size_min(cached, used);
    return limit > used ? limit - used : 0;
}

static size_t processors(const char *group, bool version_2) {
    size_t quota = SIZE_MAX, period = 0;
    if (version_2) {
        FILE *file = open_below(group, "cpu.max"); /* "max 100000" without a quota */
        if (file == NULL)
            return SIZE_MAX;
        if (fscanf(file, "%zu %zu", &quota, &period) != 2)
            quota = SIZE_MAX;
        fclose(file);
    } else { /* the quota is -1 when there is none */
        long long microseconds = -1;
        FILE *file = open_below(group, "cpu.cfs_quota_us");
        if (file == NULL)
            return SIZE_MAX;
        if (fscanf(file, "%lld", &microseconds) == 1 && microseconds > 0)
            quota = (size_t)microseconds;
        fclose(file);
        period = read_number(group, "cpu.cfs_period_us", "");
    }
    if (quota == SIZE_MAX || period == 0 || period == SIZE_MAX)
        return SIZE_MAX;
    return quota / period + (quota % period != 0);
}

/* Whether `word` is one of the words of a list that commas part. */
static bool lists(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; *at != '\0';) {
        size_t found = strcspn(at, ",\n");
        if (found == length && strncmp(at, word, length) == 0)
            return true;
        at += found;
        at += *at != '\0';
    }
    return false;
}

/* The path of this process's group in the hierarchy of a controller, or in that of version 2; freed
 * by the caller, NULL when it is in none. */
static char *own_group(const char *root, const char *controller, bool version_2) {
    FILE *file = open_below(root, "proc/self/cgroup");
    char *line = NULL, *path = NULL;
    size_t capacity = 0;
    /* 4:cpu,cpuacct:/some/group, and 0::/some/group of version 2 */
    while (path == NULL && file != NULL && getline(&line, &capacity, file) > 0) {
        char *controllers = strchr(line, ':');
        char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (group == NULL)
            continue;
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        bool empty = controllers[1] == '\0';
        if (version_2 ? empty : !empty && lists(controllers + 1, controller))
            path = vgg_text_copy(group);
    }
    free(line); /* of getline */
    if (file != NULL)
        fclose(file);
    return path;
}

/* One line of mountinfo: 36 35 98:0 /root /mounted/at rw shared:1 - type device options. */
typedef struct mount_line {
    const char *root, *place, *type, *options;
} mount_line;

static bool parse_mount(char *line, mount_line *mount) {
    char *rest = NULL, *words[5] = {NULL};
    char *tail = strstr(line, " - ");
    if (tail == NULL)
        return false;
    *tail = '\0';
    for (size_t i = 0; i < 5; i++) {
        words[i] = strtok_r(i == 0 ? line : NULL, " ", &rest);
        if (words[i] == NULL)
            return false;
    }
    mount->root = words[3];
    mount->place = words[4];
    mount->type = strtok_r(tail + 3, " \n", &rest);
    const char *device = strtok_r(NULL, " \n", &rest);
    mount->options = strtok_r(NULL, "\n", &rest);
    return mount->type != NULL && device != NULL && mount->options != NULL;
}

/* The least limit of the group and of all above it, up to the place of the mount. `folder` is cut
 * short on the way. */
static size_t least_upwards(char *folder, size_t top, group_limit *limit, bool version_2) {
    size_t least = limit(folder, version_2);
    for (char *slash; (slash = strrchr(folder, '/')) != NULL && (size_t)(slash - folder) >= top;) {
        *slash = '\0';
        least = vgg_size_min(least, limit(folder, version_2));
    }
    return least;
}

/* In a container the group's path may be that of the machine while only the group itself is
 * mounted, or be told from within a namespace ("/../other"): the part of the path below the mount's
 * own root is followed, and where there is none the place of the mount stands for the group. */
static size_t limit_in(const char *root, const mount_line *mount, const char *group,
                       group_limit *limit, bool version_2) {
    size_t shared = strcmp(mount->root, "/") == 0 ? 0 : strlen(mount->root);
    bool below = strncmp(group, mount->root, shared) == 0 &&
                 (group[shared] == '/' || group[shared] == '\0') && strstr(group, "/..") == NULL;
    vgg_text folder = {0};
    vgg_text_add(&folder, "%s%s", root, mount->place);
    size_t top = folder.length;
    if (below && strcmp(group + shared, "/") != 0)
        vgg_text_add(&folder, "%s", group + shared);
    char *path = vgg_text_take(&folder);
    size_t least = path == NULL ? SIZE_MAX : least_upwards(path, top, limit, version_2);
    vgg_free(path);
    return least;
}

static size_t least_of_groups(const char *root, const char *controller, group_limit *limit) {
    char *old = own_group(root, controller, false), *unified = own_group(root, controller, true);
    FILE *file = open_below(root, "proc/self/mountinfo");
    size_t least = SIZE_MAX, capacity = 0;
    char *line = NULL;
    while (file != NULL && getline(&line, &capacity, file) > 0) {
        mount_line mount;
        if (!parse_mount(line, &mount))
            continue;
        bool version_2 = strcmp(mount.type, "cgroup2") == 0;
        bool version_1 = strcmp(mount.type, "cgroup") == 0 && lists(mount.options, controller);
        const char *group = version_2 ? unified : version_1 ? old : NULL;
        if (group != NULL)
            least = vgg_size_min(least, limit_in(root, &mount, group, limit, version_2));
    }
    free(line); /* of getline */
    if (file != NULL)
        fclose(file);
    vgg_free(old);
    vgg_free(unified);
    return least;
}

size_t vgg_cgroup_memory(const char *root) {
    return least_of_groups(root, "memory", memory_left);
}

size_t vgg_cgroup_processors(const char *root) {
    return least_of_groups(root, "cpu", processors);
}
