#include "data/pictogram.h"

#include <math.h>

#include "vgg/data.h"

static bool inside_box(double x, double y, double left, double top, double right, double bottom) {
    return x >= left && x <= right && y >= top && y <= bottom;
}

/* True when a ray from the point to the right crosses the outline an odd number of times. */
static bool inside_polygon(double x, double y, const double (*corner)[2], size_t corners) {
    bool inside = false;
    for (size_t i = 0, j = corners - 1; i < corners; j = i++) {
        double ax = corner[i][0], ay = corner[i][1], bx = corner[j][0], by = corner[j][1];
        if ((ay > y) != (by > y) && x < ax + (bx - ax) * (y - ay) / (by - ay))
            inside = !inside;
    }
    return inside;
}

static bool circle(double x, double y) {
    return x * x + y * y <= 0.9 * 0.9;
}

static bool square(double x, double y) {
    return inside_box(x, y, -0.7, -0.7, 0.7, 0.7);
}

static bool triangle(double x, double y) {
    static const double corner[][2] = {{0.0, -0.98}, {0.86, 0.5}, {-0.86, 0.5}};
    return inside_polygon(x, y, corner, 3);
}

static bool ring(double x, double y) {
    double square_radius = x * x + y * y;
    return square_radius <= 0.95 * 0.95 && square_radius >= 0.55 * 0.55;
}

static bool cross(double x, double y) {
    return inside_box(x, y, -0.28, -0.92, 0.28, 0.92) || inside_box(x, y, -0.92, -0.28, 0.92, 0.28);
}

static bool star(double x, double y) {
    double corner[10][2];
    for (int i = 0; i < 10; i++) {
        double angle = i * 0.62831853071795864769; /* a tenth of a turn */
        double radius = i % 2 == 0 ? 1.0 : 0.43;
        corner[i][0] = radius * sin(angle);
        corner[i][1] = -radius * cos(angle);
    }
    return inside_polygon(x, y, (const double(*)[2])corner, 10);
}

/* Two circles on the shoulders of a wedge whose sides touch them. */
static bool heart(double x, double y) {
    x = fabs(x);
    double dx = x - 0.42, dy = y + 0.32;
    if (dx * dx + dy * dy <= 0.46 * 0.46)
        return true;
    static const double wedge[][2] = {
        {-0.01, -0.3}, {0.42, -0.32}, {0.776, -0.029}, {0.0, 0.92}, {-0.01, 0.92}};
    return inside_polygon(x, y, wedge, 5);
}

static bool arrow(double x, double y) {
    static const double head[][2] = {{0.1, -0.75}, {0.97, 0.0}, {0.1, 0.75}};
    return inside_box(x, y, -0.95, -0.24, 0.12, 0.24) || inside_polygon(x, y, head, 3);
}

static bool moon(double x, double y) {
    double dx = x - 0.42, dy = y + 0.12;
    return x * x + y * y <= 0.95 * 0.95 && dx * dx + dy * dy >= 0.74 * 0.74;
}

static bool house(double x, double y) {
    static const double roof[][2] = {{0.0, -0.95}, {0.95, -0.05}, {-0.95, -0.05}};
    bool door = inside_box(x, y, -0.18, 0.25, 0.18, 0.8);
    return (inside_box(x, y, -0.66, -0.06, 0.66, 0.75) && !door) || inside_polygon(x, y, roof, 3);
}

typedef struct shape {
    const char *name;
    bool (*inside)(double x, double y);
} shape;

static const shape shapes[VGG_PICTOGRAM_CLASSES] = {
    {"circle", circle}, {"square", square}, {"triangle", triangle}, {"ring", ring},
    {"cross", cross},   {"star", star},     {"heart", heart},       {"arrow", arrow},
    {"moon", moon},     {"house", house},
};

bool vgg_pictogram_inside(size_t class_index, double x, double y) {
    return shapes[class_index].inside(x, y);
}

const char *vgg_pictogram_name(size_t class_index) {
    return class_index < VGG_PICTOGRAM_CLASSES ? shapes[class_index].name : NULL;
}
