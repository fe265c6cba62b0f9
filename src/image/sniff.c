#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/memory.h"
#include "image/decode.h"

typedef struct signature {
    size_t offset, length;
    const char *bytes;
    const char *what;     /* what the file is, for those that are not decoded */
    vgg_decoder *decoder; /* NULL for those */
} signature;

/* The first entry that fits counts. Facts from the formats' own specifications. */
static const signature signatures[] = {
    {0, 2, "\xff\xd8", NULL, vgg_jpeg_decode},
    {0, 4, "\x89PNG", NULL, vgg_png_decode},
    {0, 4, "GIF8", NULL, vgg_gif_decode},
    {0, 4, "II*\0", NULL, vgg_tiff_decode},
    {0, 4, "MM\0*", NULL, vgg_tiff_decode},
    {0, 4, "II+\0", NULL, vgg_tiff_decode},
    {0, 4, "MM\0+", NULL, vgg_tiff_decode},
    {4, 8, "ftypavif", NULL, vgg_heif_decode},
    {4, 8, "ftypavis", NULL, vgg_heif_decode},
    {4, 8, "ftypheic", NULL, vgg_heif_decode},
    {4, 8, "ftypheix", NULL, vgg_heif_decode},
    {4, 8, "ftyphevc", NULL, vgg_heif_decode},
    {4, 8, "ftypmif1", NULL, vgg_heif_decode},
    {4, 8, "ftypmsf1", NULL, vgg_heif_decode},
    {4, 4, "ftyp", "a video (MP4 or its kin)", NULL},
    {0, 12, "\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture", NULL},
    {0, 2, "\xff\x0a", "a JPEG XL picture", NULL},
    {0, 8, "\0\0\0\x0cjP  ", "a JPEG 2000 picture", NULL},
    {0, 4, "\xff\x4f\xff\x51", "a JPEG 2000 picture", NULL},
    {0, 4, "\0\0\1\0", "an ICO picture", NULL},
    {0, 4, "8BPS", "a Photoshop picture", NULL},
    {0, 4, "%PDF", "a PDF document", NULL},
    {0, 4, "PK\3\4", "a ZIP archive", NULL},
    {0, 2, "\x1f\x8b", "a gzip file", NULL},
    {0, 2, "P7", "a PAM picture (P7)", NULL},
    {0, 2, "BM", NULL, vgg_bmp_decode},
};
enum { SIGNATURES = sizeof signatures / sizeof signatures[0] };

static bool fits(const vgg_source *source, const signature *entry) {
    return source->size >= entry->offset + entry->length &&
           memcmp(source->bytes + entry->offset, entry->bytes, entry->length) == 0;
}

/* WebP is one of several kinds of RIFF file. */
static bool is_webp(const vgg_source *source) {
    return source->size >= 12 && memcmp(source->bytes, "RIFF", 4) == 0 &&
           memcmp(source->bytes + 8, "WEBP", 4) == 0;
}

/* PNM: 'P', a digit from 1 to 6 and white space or a comment. */
static bool is_pnm(const vgg_source *source) {
    const unsigned char *b = source->bytes;
    return source->size >= 2 && b[0] == 'P' && b[1] >= '1' && b[1] <= '6' &&
           (source->size == 2 || isspace(b[2]) || b[2] == '#');
}

/* "<name>" in either case within the first kilobyte. */
static bool has_tag(const char *text, const char *name) {
    for (const char *open = strchr(text, '<'); open != NULL; open = strchr(open + 1, '<')) {
        if (strncasecmp(open + 1, name, strlen(name)) == 0)
            return true;
    }
    return false;
}

/* Texts that pass for pictures: what a server answered, or a drawing. NULL for anything else. */
static const char *markup(const vgg_source *source) {
    char text[1025];
    size_t start = source->size >= 3 && memcmp(source->bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (start < source->size && isspace(source->bytes[start])) {
        start++;
    }
    size_t length = vgg_size_min(source->size - start, sizeof text - 1);
    memcpy(text, source->bytes + start, length);
    text[length] = '\0';
    if (text[0] != '<')
        return NULL;
    if (has_tag(text, "!doctype html") || has_tag(text, "html"))
        return "an HTML page";
    if (has_tag(text, "svg") || has_tag(text, "!doctype svg"))
        return "an SVG drawing";
    return has_tag(text, "?xml") ? "an XML document" : NULL;
}

static vgg_status fail_unknown(const vgg_source *source, vgg_error *error) {
    char hex[3 * 8 + 1] = "";
    static const char digits[] = "0123456789abcdef";
    size_t shown = vgg_size_min(source->size, 8);
    for (size_t i = 0; i < shown; i++) {
        hex[3 * i] = digits[source->bytes[i] >> 4];
        hex[3 * i + 1] = digits[source->bytes[i] & 15];
        hex[3 * i + 2] = i + 1 < shown ? ' ' : '\0';
    }
    return vgg_fail(
        error, VGG_ERROR_FORMAT,
        "%s: is not a picture (it begins with the bytes %s); expected " VGG_PICTURE_FORMATS,
        source->name, hex);
}

vgg_status vgg_image_sniff(const vgg_source *source, vgg_decoder **decoder, vgg_error *error) {
    if (source->size == 0)
        return vgg_fail(error, VGG_ERROR_FORMAT,
                        "%s: is empty (0 bytes); expected " VGG_PICTURE_FORMATS, source->name);
    const char *what = NULL;
    *decoder = NULL;
    for (size_t i = 0; i < SIGNATURES; i++) {
        if (fits(source, &signatures[i])) {
            what = signatures[i].what;
            *decoder = signatures[i].decoder;
            break;
        }
    }
    if (what == NULL && *decoder == NULL)
        *decoder = is_webp(source) ? vgg_webp_decode : is_pnm(source) ? vgg_pnm_decode : NULL;
    if (*decoder != NULL)
        return VGG_OK;
    if (what == NULL)
        what = markup(source);
    if (what == NULL)
        return fail_unknown(source, error);
    return vgg_fail(error, VGG_ERROR_UNSUPPORTED, "%s: is %s; expected " VGG_PICTURE_FORMATS,
                    source->name, what);
}
