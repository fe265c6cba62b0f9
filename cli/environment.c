#include "cli/environment.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "vgg/threads.h"

size_t vgg_cli_default_threads(void) {
    const char *setting = getenv("OMP_NUM_THREADS");
    long wanted = setting != NULL ? strtol(setting, NULL, 10) : 0;
    if (wanted < 1)
        return 0;
    return wanted < VGG_THREADS_MAX ? (size_t)wanted : VGG_THREADS_MAX;
}

const char *vgg_cli_temporary_folder(void) {
    const char *folder = getenv("TMPDIR");
    return folder != NULL && folder[0] != '\0' ? folder : NULL;
}

bool vgg_cli_hold_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        /* open() takes the lowest number that is free, which is this one. */
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    }
    return true;
}
