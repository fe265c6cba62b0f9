/* Ctrl-C and SIGTERM of what can be continued: the first of a kind asks for an end behind what is
 * being computed, which is said, and the second ends the process. */
#ifndef VGG_CLI_STOP_H
#define VGG_CLI_STOP_H

#include <stdbool.h>

/* Catches both from now on. step: what is computed to its end, such as "step"; a constant. quit:
 * what is said of a second signal before vgg_cli_stop_begun. */
void vgg_cli_stop_catch(const char *command, const char *step, const char *quit);
/* Steps are taken from now on, and this is said of a second signal. May be called again. */
void vgg_cli_stop_begun(const char *quit);
/* Whether an end was asked for. */
bool vgg_cli_stop_asked(void);

#endif
