/* Files that are being written under a name that is not theirs yet. */
#ifndef VGG_BASE_UNFINISHED_H
#define VGG_BASE_UNFINISHED_H

/* From now on vgg_unfinished_files_remove removes the file of this path, which must not be freed
 * before the next call. */
void vgg_unfinished_note(const char *path);
void vgg_unfinished_forget(const char *path);

#endif
