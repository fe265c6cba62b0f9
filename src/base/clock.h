/* Time for measuring how long something takes. */
#ifndef VGG_BASE_CLOCK_H
#define VGG_BASE_CLOCK_H

/* Seconds since some moment in the past; nobody can set this clock back. */
double vgg_clock_seconds(void);

#endif
