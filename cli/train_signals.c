/* How Ctrl-C and SIGTERM reach a training. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/message.h"
#include "cli/train.h"

static volatile sig_atomic_t asked, interrupted, terminated, stepping;
/* What is written when a signal comes: a handler can make no text. */
static char quitting[4096];
static size_t quitting_length;

/* Not being able to say it changes nothing. */
static void say(const char *text, size_t length) {
    ssize_t written = write(STDERR_FILENO, text, length);
    (void)written;
}

static void answer(int number) {
    static const char stop[] = "vgg train: stopping", after[] = " after this step";
    static const char keys[] = "; Ctrl-C again quits now\n", kill[] = "; SIGTERM again quits now\n";
    volatile sig_atomic_t *seen = number == SIGINT ? &interrupted : &terminated;
    int before = errno;
    bool again = *seen;
    *seen = asked = 1; /* first: another thread may be here for the next signal */
    if (again) {
        vgg_unfinished_files_remove();
        say(quitting, quitting_length);
        signal(number, SIG_DFL);
        raise(number); /* as soon as the handler returns */
    } else {
        say(stop, sizeof stop - 1);
        say(after, stepping ? sizeof after - 1 : 0);
        say(number == SIGINT ? keys : kill, number == SIGINT ? sizeof keys - 1 : sizeof kill - 1);
    }
    errno = before;
}

bool vgg_cli_train_stop_asked(void) {
    return asked != 0;
}

char *vgg_cli_train_resume_command(const vgg_cli_training *training) {
    char *data = vgg_cli_shell_quote(training->options.data);
    char *folder = vgg_cli_shell_quote(training->options.folder);
    char *command = NULL;
    if (data != NULL && folder != NULL &&
        asprintf(&command, "%s train %s -o %s --resume", program_invocation_name, data, folder) < 0)
        command = NULL;
    free(folder);
    free(data);
    return command;
}

void vgg_cli_train_say_begun(const vgg_cli_training *training) {
    char *command = vgg_cli_train_resume_command(training);
    int length =
        snprintf(quitting, sizeof quitting, "vgg train: quit; the last checkpoint is whole%s%s\n",
                 command != NULL ? "; continue with " : "", command != NULL ? command : "");
    quitting_length = length < (int)sizeof quitting ? (size_t)length : sizeof quitting - 1;
    stepping = 1;
    free(command);
}

void vgg_cli_train_catch_signals(void) {
    static const char early[] = "vgg train: quit before the first step\n";
    memcpy(quitting, early, sizeof early);
    quitting_length = sizeof early - 1;
    struct sigaction action = {.sa_handler = answer};
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    static const int numbers[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction before;
        /* A training in the background of a script ignores what is meant for the foreground. */
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
    /* A closed pipe, as of `vgg train data | head`, is no reason to lose the training. */
    signal(SIGPIPE, SIG_IGN);
}
