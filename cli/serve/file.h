/* Small files: keys and certificates. */
#ifndef VGG_SERVE_FILE_H
#define VGG_SERVE_FILE_H

/* The text of a file, which the caller frees; NULL when it cannot be had, which is complained about
 * in the name of the option. */
char *vgg_serve_file_text(const char *path, const char *option);

#endif
