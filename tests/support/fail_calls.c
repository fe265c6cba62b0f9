/* Makes calls fail, or end the program, in tests: a library for LD_PRELOAD on Linux. The
 * environment says which:
 *
 * - FAIL_CALLS: the kinds of calls that are counted, with commas between: names of the table
 *   below, "thread" for pthread_create, "allocate" for malloc and the like, "files" for all of the
 *   table that change files; "room": no calls but bytes written to plain files.
 * - FAIL_AT: from which call on they fail, from 1; 0 or nothing: none, they are only counted. With
 *   "room": how many bytes there is room for; a write beyond them is short or fails.
 * - FAIL_ONCE: when it is set, that call alone.
 * - FAIL_HOW: an error's number, ENOSPC if there is none; "kill": SIGKILL before the call;
 *   "signal N": signal N before the call, which is then made.
 * - FAIL_COUNT_TO: a file that gets the number of counted calls when the program ends; with
 *   FAIL_COUNT_EACH a line "kind number" for each kind that was counted.
 * - FAIL_PLACES_TO: a file that gets a line for each allocation that is counted: from where it was
 * made, the same number for the same chain of calls.
 * - FAIL_FORK: when it is set, no process can be started.
 *
 * Calls of the system are caught where they enter it (seccomp), so that those which the C library
 * makes for itself count as well. Counting begins before main. What is written to standard error,
 * which tests read, neither counts nor fails, nor do eventfd and its like, which tell a thread of
 * something and do not fail on Linux. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

typedef struct system_call {
    const char *kind;
    int number;
} system_call;

static const system_call table[] = {
#ifdef SYS_open
    {"open", SYS_open},          {"open", SYS_creat},         {"rename", SYS_rename},
    {"rename", SYS_link},        {"unlink", SYS_unlink},      {"unlink", SYS_rmdir},
    {"mkdir", SYS_mkdir},        {"chmod", SYS_chmod},        {"look", SYS_stat},
    {"look", SYS_lstat},         {"look", SYS_fstat},         {"look", SYS_access},
#endif
    {"open", SYS_openat},        {"read", SYS_read},          {"read", SYS_pread64},
    {"read", SYS_readv},         {"write", SYS_write},        {"write", SYS_pwrite64},
    {"write", SYS_writev},       {"mmap", SYS_mmap},          {"rename", SYS_renameat},
    {"rename", SYS_renameat2},   {"rename", SYS_linkat},      {"sync", SYS_fsync},
    {"sync", SYS_fdatasync},     {"close", SYS_close},        {"unlink", SYS_unlinkat},
    {"truncate", SYS_ftruncate}, {"truncate", SYS_fallocate}, {"mkdir", SYS_mkdirat},
    {"chmod", SYS_fchmod},       {"chmod", SYS_fchmodat},     {"lock", SYS_flock},
    {"look", SYS_newfstatat},    {"look", SYS_faccessat},     {"look", SYS_faccessat2},
    {"look", SYS_statx},         {"list", SYS_getdents64},
};
#define CALLS (sizeof table / sizeof table[0])

/* Does what the environment says from here on. */
void fail_calls_begin(void);

/* What the environment says. */
static long fail_at;
static bool once, threads, allocations, room;
static int reason = ENOSPC, signal_number;
static const char *count_to;

static int places = -1;

static atomic_long counted;
/* Of each row of the table, of threads and of allocations. */
static atomic_long counted_each[CALLS + 2];
static atomic_bool armed;

/* Makes a call of the system from the one place that is not caught. */
long fail_calls_gate(long number, long a, long b, long c, long d, long e, long f);
extern const char fail_calls_after[];

#if defined __x86_64__
__asm__(".text\n.globl fail_calls_gate, fail_calls_after\n.type fail_calls_gate, @function\n"
        "fail_calls_gate:\nmov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\n"
        "mov %r8, %r10\nmov %r9, %r8\nmov 8(%rsp), %r9\nsyscall\nfail_calls_after: ret\n");
#define ARGUMENT(context, i) ((long)(context)->uc_mcontext.gregs[register_of[i]])
#define RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
static const int register_of[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
#elif defined __aarch64__
__asm__(".text\n.globl fail_calls_gate, fail_calls_after\n.type fail_calls_gate, @function\n"
        "fail_calls_gate:\nmov x8, x0\nmov x0, x1\nmov x1, x2\nmov x2, x3\nmov x3, x4\n"
        "mov x4, x5\nmov x5, x6\nsvc #0\nfail_calls_after: ret\n");
#define ARGUMENT(context, i) ((long)(context)->uc_mcontext.regs[i])
#define RESULT(context) ((context)->uc_mcontext.regs[0])
#endif

/* Whether the call that is about to be made fails; or ends the program. */
static bool fails(size_t row) {
    if (!atomic_load(&armed))
        return false;
    atomic_fetch_add(&counted_each[row], 1);
    long number = atomic_fetch_add(&counted, 1) + 1;
    if (fail_at == 0 || number < fail_at || (once && number > fail_at))
        return false;
    if (signal_number == 0)
        return true;
    fail_calls_gate(SYS_kill, fail_calls_gate(SYS_getpid, 0, 0, 0, 0, 0, 0), signal_number, 0, 0, 0,
                    0);
    return false;
}

/* A plain file is written into what room is left; once: a write that fails makes all the room that
 * anybody may want. */
static long write_in_room(int number, const ucontext_t *context) {
    long file = ARGUMENT(context, 0), buffer = ARGUMENT(context, 1), size = ARGUMENT(context, 2);
    static atomic_bool over;
    struct stat found;
    bool limited = number == SYS_write && atomic_load(&armed) && file > STDERR_FILENO &&
                   fail_calls_gate(SYS_fstat, file, (long)&found, 0, 0, 0, 0) == 0 &&
                   S_ISREG(found.st_mode);
    if (limited && fail_at > 0 && !atomic_load(&over)) {
        long left = fail_at - atomic_load(&counted);
        if (left <= 0 && size > 0) {
            atomic_store(&over, once);
            return -reason;
        }
        size = size < left ? size : left;
    }
    if (limited)
        atomic_fetch_add(&counted, size);
    return fail_calls_gate(number, file, buffer, size, ARGUMENT(context, 3), ARGUMENT(context, 4),
                           ARGUMENT(context, 5));
}

/* A read or write that always counts as done. */
static bool is_left_alone(int number, const ucontext_t *context) {
    long file = ARGUMENT(context, 0);
    struct stat found;
    if (number != SYS_write && number != SYS_read)
        return false;
    return (number == SYS_write && file == STDERR_FILENO) ||
           (fail_calls_gate(SYS_fstat, file, (long)&found, 0, 0, 0, 0) == 0 &&
            (found.st_mode & S_IFMT) == 0);
}

static void on_call(int signal, siginfo_t *info, void *user) {
    (void)signal;
    ucontext_t *context = user;
    if (room) {
        RESULT(context) = write_in_room(info->si_syscall, context);
        return;
    }
    size_t row = 0;
    while (row + 1 < CALLS && table[row].number != info->si_syscall) {
        row++;
    }
    bool failing = !is_left_alone(info->si_syscall, context) && fails(row);
    long result = -reason;
    /* One that fails to close has closed nevertheless. */
    if (!failing || info->si_syscall == SYS_close)
        result = fail_calls_gate(info->si_syscall, ARGUMENT(context, 0), ARGUMENT(context, 1),
                                 ARGUMENT(context, 2), ARGUMENT(context, 3), ARGUMENT(context, 4),
                                 ARGUMENT(context, 5));
    RESULT(context) = failing ? -reason : result;
}

/* Whether the kind is in the list, which has commas between its words. */
static bool is_named(const char *list, const char *kind) {
    size_t length = strlen(kind);
    for (const char *at = list; (at = strstr(at, kind)) != NULL; at += length) {
        if ((at == list || at[-1] == ',') && (at[length] == '\0' || at[length] == ','))
            return true;
    }
    return false;
}

/* Asks the system to send SIGSYS in place of the calls of the list, but for those of the gate. */
static bool catch_calls(const char *list) {
    uint64_t gate = (uintptr_t)fail_calls_after;
    size_t ip = offsetof(struct seccomp_data, instruction_pointer);
    /* The halves of an address lie as the processor has them: the lower one first. */
    struct sock_filter filter[6 + 2 * CALLS] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)ip),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)gate, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)ip + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(gate >> 32), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    unsigned short used = 6;
    bool files = is_named(list, "files");
    for (size_t i = 0; i < CALLS; i++) {
        static const char unchanging[] = "mmap,look,list";
        bool changes = files && !is_named(unchanging, table[i].kind);
        if (!is_named(list, table[i].kind) && !changes && !(room && table[i].number == SYS_write))
            continue;
        filter[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                      (uint32_t)table[i].number, 0, 1);
        filter[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    }
    if (used == 6)
        return true;
    filter[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {used, filter};
    struct sigaction action = {.sa_sigaction = on_call, .sa_flags = SA_SIGINFO | SA_NODEFER};
    return sigaction(SIGSYS, &action, NULL) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

static const char *setting(const char *name) {
    const char *text = getenv(name);
    return text == NULL ? "" : text;
}

void fail_calls_begin(void) {
    const char *list = setting("FAIL_CALLS"), *how = setting("FAIL_HOW");
    fail_at = strtol(setting("FAIL_AT"), NULL, 10);
    once = *setting("FAIL_ONCE") != '\0';
    threads = is_named(list, "thread");
    allocations = is_named(list, "allocate");
    room = is_named(list, "room");
    count_to = getenv("FAIL_COUNT_TO");
    if (getenv("FAIL_PLACES_TO") != NULL) {
        void *chain[1];
        backtrace(chain, 1); /* takes memory the first time */
        places = open(getenv("FAIL_PLACES_TO"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    }
    if (strcmp(how, "kill") == 0)
        signal_number = SIGKILL;
    else if (strncmp(how, "signal ", 7) == 0)
        signal_number = (int)strtol(how + 7, NULL, 10);
    else if (*how != '\0')
        reason = (int)strtol(how, NULL, 10);
    if (!catch_calls(list)) {
        fputs("fail_calls: the system does not let calls be caught\n", stderr);
        _exit(99);
    }
    atomic_store(&armed, true);
}

/* Copies of forks.c's begin for themselves. */
__attribute__((constructor)) static void begin(void) {
    if (getenv("VGG_FORKS") == NULL)
        fail_calls_begin();
}

__attribute__((destructor)) static void end(void) {
    atomic_store(&armed, false);
    if (count_to == NULL)
        return;
    int file = open(count_to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (getenv("FAIL_COUNT_EACH") == NULL)
        dprintf(file, "%ld\n", atomic_load(&counted));
    for (size_t i = 0; i < CALLS + 2 && getenv("FAIL_COUNT_EACH") != NULL; i++) {
        const char *kind = i < CALLS ? table[i].kind : i == CALLS ? "thread" : "allocate";
        if (atomic_load(&counted_each[i]) > 0)
            dprintf(file, "%s %ld\n", kind, atomic_load(&counted_each[i]));
    }
    close(file);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                   void *argument) {
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    return threads && fails(CALLS) ? reason : real(thread, attributes, start, argument);
}

pid_t fork(void) {
    pid_t (*real)(void);
    *(void **)&real = dlsym(RTLD_NEXT, "fork");
    if (getenv("FAIL_FORK") == NULL)
        return real();
    errno = EAGAIN;
    return -1;
}

#define PLACE_DEPTH 24

static void note_place(void) {
    void *chain[PLACE_DEPTH];
    int depth = backtrace(chain, PLACE_DEPTH);
    uint64_t sum = 0;
    for (int i = 0; i < depth; i++) {
        sum = sum * 1099511628211u + (uint64_t)(uintptr_t)chain[i];
    }
    /* dprintf takes memory for a file. */
    char line[32];
    int length = snprintf(line, sizeof line, "%016llx\n", (unsigned long long)sum);
    if (write(places, line, (size_t)length) != length)
        _exit(99);
}

/* The C library's own, under the names that it keeps for those who replace the others. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static bool allocation_fails(void) {
    if (allocations && places >= 0 && atomic_load(&armed))
        note_place();
    if (!allocations || !fails(CALLS + 1))
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) {
    return allocation_fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    return allocation_fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
    return allocation_fails() ? NULL : __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return allocation_fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    void *made = allocation_fails() ? NULL : __libc_memalign(alignment, size);
    if (made != NULL)
        *block = made;
    return made != NULL ? 0 : ENOMEM;
}
