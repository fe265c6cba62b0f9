/* The names by which people call the parts of a data set. */
#ifndef VGG_DATA_PART_NAMES_H
#define VGG_DATA_PART_NAMES_H

typedef enum vgg_part_kind {
    VGG_PART_NONE,
    VGG_PART_TRAIN,
    VGG_PART_VALIDATION,
    VGG_PART_TEST,
} vgg_part_kind;

#define VGG_PART_KINDS 4

/* Which part a folder of this name is: "train", "Training", "seg_train", "train_images", "val",
 * "valid", "validation", "dev", "Test", "testing", "test-set", "val2017" and the like, in any case;
 * VGG_PART_NONE for another name. */
vgg_part_kind vgg_part_kind_of(const char *name);

#endif
