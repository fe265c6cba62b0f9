#include "cli/skipped.h"

#include <string.h>

#include "cli/message.h"

#define NAMED_MOST 20

bool vgg_cli_skip(void *user, const char *name, const vgg_error *why) {
    vgg_cli_skipped *skipped = user;
    skipped->count++;
    if (skipped->strict)
        return false;
    if (skipped->count > NAMED_MOST)
        return true;
    if (skipped->progress != NULL)
        vgg_cli_progress_clear(skipped->progress);
    /* A message starts with the picture's name unless it failed before it had one. */
    bool named = strncmp(why->message, name, strlen(name)) == 0;
    vgg_cli_complain(skipped->command, "skipped %s%s%s", named ? "" : name, named ? "" : ": ",
                     why->message);
    return true;
}

void vgg_cli_picture_note(void *user, const char *message) {
    vgg_cli_skipped *skipped = user;
    if (++skipped->noted > NAMED_MOST)
        return;
    if (skipped->progress != NULL)
        vgg_cli_progress_clear(skipped->progress);
    vgg_cli_note((void *)skipped->command, message);
}

void vgg_cli_skipped_sum(const vgg_cli_skipped *skipped) {
    if (skipped->noted > NAMED_MOST)
        vgg_cli_complain(skipped->command,
                         "note: %zu pictures were read with a note; the first 20 are named above",
                         skipped->noted);
    if (skipped->count == 0 || skipped->strict)
        return;
    vgg_cli_complain(skipped->command, "%zu picture%s could not be read%s", skipped->count,
                     skipped->count == 1 ? "" : "s",
                     skipped->count > NAMED_MOST ? "; the first 20 are named above" : "");
}
