#include "cli/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/clean_text.h"
#include "cli/command.h"
#include "vgg/status.h"

/* Lines that are ready to be written: a handler may not make any. */
static char interrupted[64], terminated[64], hung_up[64], shortened[1024];
static char who[32];
static pid_t owner; /* not a child of it, which gets signals of the terminal, too */

static void write_line(const char *line) {
    if (*line == '\0')
        return;
    /* A bar may be on the line. */
    if (isatty(STDERR_FILENO))
        (void)!write(STDERR_FILENO, "\r\033[K", 4);
    (void)!write(STDERR_FILENO, line, strlen(line));
}

static const char *line_of(int signal_number) {
    if (signal_number == SIGINT)
        return interrupted;
    if (signal_number == SIGTERM)
        return terminated;
    return signal_number == SIGHUP ? hung_up : "";
}

/* Ends the program as the signal does, with what the handler does before. */
static void end_by(int signal_number) {
    vgg_unfinished_files_remove();
    if (getpid() == owner)
        write_line(line_of(signal_number));
    /* As everybody expects of a program that a signal has ended. */
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* A page of a mapped file that is no longer there. The thread cannot go on. */
static void end_by_bus(int signal_number, siginfo_t *info, void *context) {
    (void)context;
    static atomic_flag begun = ATOMIC_FLAG_INIT;
    while (atomic_flag_test_and_set(&begun)) { /* another thread is here and ends the program */
        pause();
    }
    vgg_unfinished_files_remove();
    if (info->si_code == BUS_ADRERR) {
        write_line(shortened);
        _exit(VGG_CLI_FAILURE);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

void vgg_cli_signals_model(const char *path) {
    char name[900];
    snprintf(shortened, sizeof shortened,
             "%s: %s: was made shorter by somebody else while it was read\n", who,
             vgg_cli_clean_text(name, sizeof name, path));
}

void vgg_cli_signals_catch(const char *command) {
    owner = getpid();
    snprintf(who, sizeof who, "vgg%s%s", command != NULL ? " " : "",
             command != NULL ? command : "");
    snprintf(interrupted, sizeof interrupted, "%s: interrupted\n", who);
    snprintf(terminated, sizeof terminated, "%s: ended by SIGTERM\n", who);
    snprintf(hung_up, sizeof hung_up, "%s: ended by SIGHUP\n", who);
    vgg_cli_signals_model("a file");
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction before, action = {.sa_handler = end_by};
        sigemptyset(&action.sa_mask);
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
    struct sigaction bus = {.sa_sigaction = end_by_bus, .sa_flags = SA_SIGINFO};
    sigemptyset(&bus.sa_mask);
    sigaction(SIGBUS, &bus, NULL);
}
