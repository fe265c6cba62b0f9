typedef int vgg_stub;
