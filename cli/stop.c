#include "cli/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vgg/status.h"

static volatile sig_atomic_t asked, interrupted, terminated, stepping;
/* What is written when a signal comes: a handler can make no text. */
typedef struct line {
    char text[4096];
    size_t length;
} line;
static line stopping, stopping_after, quittings[2];
static line *volatile quitting = &quittings[0]; /* the other is made while a signal may come */
static const char *who;

/* "vgg train: " and these. */
static void prepare(line *l, const char *first, const char *second) {
    int length = snprintf(l->text, sizeof l->text, "vgg %s: %s%s", who, first, second);
    l->length = length < (int)sizeof l->text ? (size_t)length : sizeof l->text - 1;
}

/* Not being able to say it changes nothing. */
static void say(const char *text, size_t length) {
    ssize_t written = write(STDERR_FILENO, text, length);
    (void)written;
}

static void answer(int number) {
    static const char keys[] = "; Ctrl-C again quits now\n", kill[] = "; SIGTERM again quits now\n";
    volatile sig_atomic_t *seen = number == SIGINT ? &interrupted : &terminated;
    int before = errno;
    bool again = *seen;
    *seen = asked = 1; /* first: another thread may be here for the next signal */
    if (again) {
        vgg_unfinished_files_remove();
        const line *last = quitting;
        say(last->text, last->length);
        signal(number, SIG_DFL);
        raise(number); /* as soon as the handler returns */
    } else {
        const line *first = stepping ? &stopping_after : &stopping;
        say(first->text, first->length);
        say(number == SIGINT ? keys : kill, number == SIGINT ? sizeof keys - 1 : sizeof kill - 1);
    }
    errno = before;
}

bool vgg_cli_stop_asked(void) {
    return asked != 0;
}

void vgg_cli_stop_begun(const char *quit) {
    line *next = quitting == &quittings[0] ? &quittings[1] : &quittings[0];
    prepare(next, quit, "\n");
    quitting = next;
    stepping = 1;
}

void vgg_cli_stop_catch(const char *command, const char *step, const char *quit) {
    who = command;
    prepare(&stopping, "stopping", "");
    prepare(&stopping_after, "stopping after this ", step);
    prepare(quitting, quit, "\n");
    struct sigaction action = {.sa_handler = answer};
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    static const int numbers[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction before;
        /* What is in the background of a script ignores what is meant for the foreground. */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
    /* A closed pipe, as of `vgg train data | head`, is no reason to lose what was computed. */
    signal(SIGPIPE, SIG_IGN);
}
