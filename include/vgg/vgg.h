/* libvgg: VGG networks for image classification. This header brings in all others. */
#ifndef VGG_VGG_H
#define VGG_VGG_H

#include "vgg/calibrate.h"
#include "vgg/data.h"
#include "vgg/device.h"
#include "vgg/distance.h"
#include "vgg/explain.h"
#include "vgg/features.h"
#include "vgg/file.h"
#include "vgg/image.h"
#include "vgg/index.h"
#include "vgg/inspect.h"
#include "vgg/loss.h"
#include "vgg/memory.h"
#include "vgg/model.h"
#include "vgg/network.h"
#include "vgg/plan.h"
#include "vgg/predict.h"
#include "vgg/probe.h"
#include "vgg/run.h"
#include "vgg/scores.h"
#include "vgg/status.h"
#include "vgg/stream.h"
#include "vgg/style.h"
#include "vgg/threads.h"
#include "vgg/train.h"

#endif
