/* Indexes that commands make and update of the pictures that operands name. */
#ifndef VGG_CLI_INDEX_UPDATE_H
#define VGG_CLI_INDEX_UPDATE_H

#include "cli/model_source.h"
#include "cli/options.h"
#include "cli/shared_options.h"
#include "vgg/index.h"

typedef struct vgg_cli_index_request {
    const char *command;
    const char *path; /* of the file; NULL: the index is in memory alone */
    const char *layer, *pool, *scale, *protocol; /* NULL: the file's, or the usual */
    bool contents, overwrite;
    bool keeps; /* the file forgets no picture that is still there */
    size_t batch, threads;
    vgg_cli_computing computing;
} vgg_cli_index_request;

/* Rows of option tables: what rows are made of, and how they are computed. */
#define VGG_CLI_INDEX_ROW_OPTIONS 4
void vgg_cli_index_row_options(vgg_cli_index_request *request,
                               vgg_cli_option options[VGG_CLI_INDEX_ROW_OPTIONS]);
#define VGG_CLI_INDEX_RUN_OPTIONS 5
void vgg_cli_index_run_options(vgg_cli_index_request *request,
                               vgg_cli_option options[VGG_CLI_INDEX_RUN_OPTIONS]);

/* Opens the index of the request, or makes an empty one, without pictures. Where `made` is NULL the
 * file must be there. Returns the exit status; anything but VGG_CLI_OK has been complained about.
 */
int vgg_cli_index_open(const vgg_cli_index_request *request, const vgg_model *model, bool *made,
                       vgg_index **index);

/* "INDEX: 3,000 pictures x 512 of relu4_2,relu5_2 (12 added, 0 changed, 1 removed)"; freed by the
 * caller, NULL when memory ran out. */
char *vgg_cli_index_line(const char *path, const vgg_index *index,
                         const vgg_index_changes *changes);

/* Opens it and makes it one of the pictures that the operands name, with a bar, and saves it where
 * it has a file. What cannot be read is complained about. VGG_CLI_SKIPPED when that was some. */
int vgg_cli_index_update(const vgg_cli_index_request *request, const vgg_model *model,
                         char **operands, size_t count, vgg_index **index,
                         vgg_index_changes *changes);

#endif
