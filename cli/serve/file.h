/* Files that the server reads beside models. */
#ifndef VGG_SERVE_FILE_H
#define VGG_SERVE_FILE_H

#include <stddef.h>
#include <sys/stat.h>

/* The text of a file, which the caller frees; NULL when it cannot be had, which is complained about
 * in the name of the option. */
char *vgg_serve_file_text(const char *path, const char *option);

/* A file that is open for reading, and what there is to say of it; -1: there is none, or it is none
 * that has an end. */
int vgg_serve_file_open(const char *path, struct stat *info);
/* Reads up to `size` bytes; returns how many there were. */
size_t vgg_serve_file_read(int file, char *bytes, size_t size);

#endif
