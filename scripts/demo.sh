#!/bin/sh
# The first look: draws pictograms, trains a small VGG on them, evaluates it on pictures that it has
# not seen and classifies one. About two minutes on two processors.
set -eu
vgg=build/vgg
data=out/pictograms
run=out/demo
rm -rf "$data" "$run"

# Says what comes next, and runs it.
step() {
    echo
    echo "$1"
    shift
    echo "  \$ $*"
    "$@"
}

step "1. Draw a data set: ten kinds of pictogram, a folder per class." \
    $vgg generate $data --train 600 --validation 50 --size 32
step "2. Train a small VGG on it." \
    $vgg train $data -o $run --epochs 9 --schedule step --step-epochs 6
step "3. Evaluate the best model on pictures that it has not seen." \
    $vgg eval --model $run/best.safetensors $data
step "4. Classify one of them." \
    $vgg predict --model $run/best.safetensors $data/validation/star/0000.png

cat <<END

Now with your own pictures, in a folder that has a folder for each class:
  build/vgg train PHOTOS -o my-run
  build/vgg predict --model my-run/best.safetensors some-photo.jpg
and build/vgg --help says what else there is.
END
