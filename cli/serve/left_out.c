/* A program that was built without a server. */
#include "cli/command.h"
#include "cli/message.h"

int vgg_cli_serve(int argc, char **argv) {
    (void)argc;
    (void)argv;
    vgg_cli_complain("serve", "this vgg was built without VGG_WITH_SERVE");
    return VGG_CLI_FAILURE;
}
