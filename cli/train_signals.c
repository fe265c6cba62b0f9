/* How a training that signals end can be continued. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/message.h"
#include "cli/stop.h"
#include "cli/train.h"

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
    char *command = vgg_cli_train_resume_command(training), quit[4096];
    snprintf(quit, sizeof quit, "quit; the last checkpoint is whole%s%s",
             command != NULL ? "; continue with " : "", command != NULL ? command : "");
    vgg_cli_stop_begun(quit);
    free(command);
}

void vgg_cli_train_catch_signals(void) {
    vgg_cli_stop_catch("train", "step", "quit before the first step");
}
