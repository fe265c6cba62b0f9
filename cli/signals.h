/* How signals end the program: without leaving files that are half written, and with a line. */
#ifndef VGG_CLI_SIGNALS_H
#define VGG_CLI_SIGNALS_H

/* Catches SIGINT, SIGTERM, SIGHUP, SIGPIPE and SIGBUS, but for those that whoever started the
 * program has ignored. command: what the lines name, or NULL. */
void vgg_cli_signals_catch(const char *command);

/* The model file that is mapped from now on, for the line of SIGBUS. */
void vgg_cli_signals_model(const char *path);

#endif
