/* Starts the program once for many runs, in tests: a library for LD_PRELOAD on Linux with glibc.
 * The program stops before its main, with its libraries loaded, and a copy of it goes on for each
 * request, which takes a fraction of the time of a start. support/forks.py asks.
 *
 * VGG_FORKS in the environment is the descriptor of a socket. A request has the descriptors that
 * become 0, 1 and 2 and two numbers of 32 bits, the size of its text and how many arguments are in
 * it. The text is the folder to run in, the arguments and the environment, each with a zero byte
 * behind it. The answers are two numbers of 32 bits: the process and, when it has ended, what
 * waitpid says. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

typedef int main_function(int, char **, char **);
typedef int start_function(main_function *, int, char **, void (*)(void), void (*)(void),
                           void (*)(void), void *);
start_function __libc_start_main;

typedef struct request {
    uint32_t size, arguments;
    int files[3];
    char *text;
} request;

/* Of fail_calls.c, where that is loaded too. */
extern void fail_calls_begin(void) __attribute__((weak));

/* Zeros, or MAP_FAILED. No allocation of the program's, in which a sanitizer looks for leaks. */
static void *take_memory(size_t size) {
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static bool read_all(int from, char *data, size_t size) {
    for (ssize_t got = 1; size > 0 && got > 0; data += got, size -= (size_t)got) {
        got = read(from, data, size);
    }
    return size == 0;
}

/* False at the end of all. */
static bool receive(int socket, request *asked) {
    uint32_t numbers[2];
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof asked->files)];
    } control;
    struct iovec data = {numbers, sizeof numbers};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    if (recvmsg(socket, &message, MSG_WAITALL) != sizeof numbers || CMSG_FIRSTHDR(&message) == NULL)
        return false;
    memcpy(asked->files, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof asked->files);
    asked->size = numbers[0];
    asked->arguments = numbers[1];
    asked->text = take_memory(asked->size);
    return asked->text != MAP_FAILED && read_all(socket, asked->text, asked->size);
}

/* The words of a text, the count of which is known or which go on to its end; NULL is behind them.
 * Moves the text behind them. */
static char **take_words(char **text, const char *end, size_t count) {
    char **words = take_memory((count + 1) * sizeof *words);
    if (words == MAP_FAILED)
        _exit(99);
    for (size_t i = 0; i < count && *text < end; i++) {
        words[i] = *text;
        *text += strlen(*text) + 1;
    }
    return words;
}

/* Makes this process what is asked for. */
static void become(const request *asked, int *argc, char ***argv) {
    for (int i = 0; i < 3; i++) {
        if (dup2(asked->files[i], i) < 0)
            _exit(99);
        close(asked->files[i]);
    }
    char *text = asked->text, *end = text + asked->size;
    if (chdir(text) != 0)
        _exit(99);
    text += strlen(text) + 1;
    *argc = (int)asked->arguments;
    *argv = take_words(&text, end, asked->arguments);
    size_t rest = 0;
    for (const char *at = text; at < end; at++) {
        rest += *at == '\0';
    }
    environ = take_words(&text, end, rest);
}

/* Returns in each copy. */
static void serve(int socket, int *argc, char ***argv) {
    request asked;
    while (receive(socket, &asked)) {
        int answer = fork();
        if (answer == 0) {
            close(socket);
            become(&asked, argc, argv);
            if (fail_calls_begin != NULL)
                fail_calls_begin();
            return;
        }
        for (int i = 0; i < 3; i++) {
            close(asked.files[i]);
        }
        munmap(asked.text, asked.size);
        if (answer < 0 || write(socket, &answer, sizeof answer) != sizeof answer ||
            waitpid(answer, &answer, 0) < 0 || write(socket, &answer, sizeof answer) < 0)
            break;
    }
    _exit(0);
}

static main_function *program;

static int serve_first(int argc, char **argv, char **environment) {
    (void)environment;
    const char *socket = getenv("VGG_FORKS");
    if (socket != NULL)
        serve(atoi(socket), &argc, &argv);
    return program(argc, argv, environ);
}

/* In the place of the C library's, which calls main. */
int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end) {
    start_function *real;
    *(void **)&real = dlsym(RTLD_NEXT, "__libc_start_main");
    program = main;
    return real(serve_first, argc, argv, init, fini, rtld_fini, stack_end);
}
