/* The file of the model in the box, as it is, in the library's constants. It begins where weights can
 * be used without copying. VGG_BUILTIN_FILE: its path. */
        .section .rodata
        .balign 64
        .global vgg_builtin_begin
        .hidden vgg_builtin_begin
vgg_builtin_begin:
        .incbin VGG_BUILTIN_FILE
        .global vgg_builtin_end
        .hidden vgg_builtin_end
vgg_builtin_end:

        /* No code here wants a stack that can be executed. */
        .section .note.GNU-stack, "", %progbits
