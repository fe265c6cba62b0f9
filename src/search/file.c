/* Files of indexes. docs/inside.md has the format. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/sink.h"
#include "base/text.h"
#include "search/index.h"

#define MAGIC "vgg index 1\n"
/* Bytes of what rows are made of at most, as text. */
#define FACTS_MOST ((size_t)65536)

/* Little-endian, as this machine. Behind it come, without gaps, `facts` bytes of text, `names`
 * bytes of names with a zero behind each, a stamp for each picture, the samples and the rows. */
typedef struct head {
    char magic[24];
    uint64_t bytes; /* of the file */
    uint64_t pictures, features, samples, facts, names;
    uint64_t sum;      /* of all behind the text */
    uint64_t head_sum; /* of what stands above, and of the text */
} head;

#define SUMMED offsetof(head, head_sum)

/* The size that the file must have; false when there is none. */
static bool find_size(const head *h, size_t *size) {
    size_t row, rows;
    return vgg_size_mul(h->features, sizeof(float), &row) &&
           vgg_size_add(row, h->samples + sizeof(vgg_index_stamp), &row) &&
           vgg_size_mul(row, h->pictures, &rows) && vgg_size_add(rows, h->names, &rows) &&
           vgg_size_add(rows, h->facts + sizeof *h, size);
}

/* ---- writing ---- */

/* The pictures of two tables behind each other. */
typedef struct both_tables {
    const vgg_index_table *tables[2];
} both_tables;

typedef struct place {
    size_t table, picture;
} place;

/* The next one that is not unread, from the place on; false at the end. */
static bool find_next(const both_tables *all, place *at) {
    for (; at->table < 2; *at = (place){at->table + 1, 0}) {
        const vgg_index_table *table = all->tables[at->table];
        while (table != NULL && at->picture < table->count && table->entries[at->picture].unread) {
            at->picture++;
        }
        if (table != NULL && at->picture < table->count)
            return true;
    }
    return false;
}

/* A part of the file goes to the sum first, and then to the file. */
typedef struct output {
    vgg_sink *sink; /* NULL: to the sum */
    vgg_checksum sum;
} output;

static vgg_status put(output *out, const void *bytes, size_t size, vgg_error *error) {
    if (out->sink != NULL)
        return vgg_sink_write(out->sink, bytes, size, error);
    vgg_checksum_add(&out->sum, bytes, size);
    return VGG_OK;
}

typedef enum part { NAMES, STAMPS, SAMPLES, ROWS, PARTS } part;

static vgg_status put_picture(output *out, const vgg_index *index, const vgg_index_table *table,
                              size_t i, part which, vgg_error *error) {
    const vgg_index_entry *entry = &table->entries[i];
    switch (which) {
    case NAMES:
        return put(out, entry->name, strlen(entry->name) + 1, error);
    case STAMPS:
        return put(out, &entry->stamp, sizeof entry->stamp, error);
    case SAMPLES:
        return put(out, table->greys + i * VGG_INDEX_SAMPLES, VGG_INDEX_SAMPLES, error);
    default:
        return put(out, table->rows + i * index->features, index->features * sizeof(float), error);
    }
}

static vgg_status put_all(output *out, const vgg_index *index, const both_tables *all,
                          const char *facts, vgg_error *error) {
    vgg_status status = out->sink != NULL ? put(out, facts, strlen(facts), error) : VGG_OK;
    for (part which = NAMES; which < PARTS; which++) {
        place at = {0};
        for (; status == VGG_OK && find_next(all, &at); at.picture++) {
            status = put_picture(out, index, all->tables[at.table], at.picture, which, error);
        }
    }
    return status;
}

static char *write_facts(const vgg_index *index) {
    vgg_text text = {0};
    vgg_text_add(&text, "model %016" PRIx64 "\nlayers %s\npool %s\nprotocol %s\n",
                 index->fingerprint, index->layers, vgg_feature_pool_name(index->pool),
                 vgg_protocol_name(index->protocol));
    if (index->scales != NULL)
        vgg_text_add(&text, "scales %s\n", index->scales);
    return vgg_text_take(&text);
}

/* Everything but the sums. */
static head describe(const vgg_index *index, const both_tables *all, const char *facts) {
    head h = {.magic = MAGIC,
              .features = index->features,
              .samples = VGG_INDEX_SAMPLES,
              .facts = strlen(facts)};
    place at = {0};
    for (; find_next(all, &at); at.picture++) {
        h.pictures++;
        h.names += strlen(all->tables[at.table]->entries[at.picture].name) + 1;
    }
    size_t size = 0;
    find_size(&h, &size); /* it is all in memory, and so it fits */
    h.bytes = size;
    return h;
}

static uint64_t sum_head(const head *h, const char *facts) {
    vgg_checksum sum;
    vgg_checksum_begin(&sum);
    vgg_checksum_add(&sum, h, SUMMED);
    vgg_checksum_add(&sum, facts, h->facts);
    return vgg_checksum_end(&sum);
}

vgg_status vgg_index_write(const vgg_index *index, const vgg_index_table *first,
                           const vgg_index_table *second, const char *path, vgg_error *error) {
    const both_tables all = {{first, second}};
    char *facts = write_facts(index);
    if (facts == NULL)
        return vgg_fail_memory(error, "an index", FACTS_MOST);
    head h = describe(index, &all, facts);
    output out = {.sink = NULL};
    vgg_checksum_begin(&out.sum);
    put_all(&out, index, &all, facts, NULL);
    h.sum = vgg_checksum_end(&out.sum);
    h.head_sum = sum_head(&h, facts);
    vgg_sink sink;
    vgg_status status = vgg_sink_open_file(&sink, path, error);
    if (status == VGG_OK) {
        out.sink = &sink;
        status = vgg_sink_write(&sink, &h, sizeof h, error);
        if (status == VGG_OK)
            status = put_all(&out, index, &all, facts, error);
        status = vgg_sink_close(&sink, status, error);
    }
    vgg_free(facts);
    return status;
}

vgg_status vgg_index_save(const vgg_index *index, const char *path, vgg_error *error) {
    return vgg_index_write(index, &index->table, NULL, path, error);
}

/* ---- reading ---- */

typedef struct input {
    const char *path;
    int descriptor;
    size_t size, at;
    head head;
    vgg_checksum sum;
} input;

static vgg_status fail_damaged(const input *in, const char *what, vgg_error *error) {
    return vgg_fail(error, VGG_ERROR_FORMAT, "%s: is damaged: %s", in->path, what);
}

static vgg_status take(input *in, void *bytes, size_t size, vgg_error *error) {
    size_t got;
    vgg_status status =
        vgg_file_read_some(in->descriptor, in->path, in->at, bytes, size, &got, error);
    if (status == VGG_OK && got < size)
        status = vgg_fail(error, VGG_ERROR_FORMAT, "%s: ends at byte %zu, expected %zu", in->path,
                          in->at + got, in->size);
    in->at += size;
    vgg_checksum_add(&in->sum, bytes, status == VGG_OK ? size : 0);
    return status;
}

/* The head, before memory is taken for anything that it says. */
static vgg_status read_head(input *in, vgg_error *error) {
    head *h = &in->head;
    size_t got, size;
    vgg_status status = vgg_file_read_some(in->descriptor, in->path, 0, h, sizeof *h, &got, error);
    if (status != VGG_OK)
        return status;
    if (got < sizeof h->magic || memcmp(h->magic, MAGIC, sizeof MAGIC) != 0)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: is no index of vgg index", in->path);
    if (got < sizeof *h)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: ends at byte %zu, expected %zu", in->path,
                        got, sizeof *h);
    if (!find_size(h, &size) || size != in->size || h->bytes != size)
        return vgg_fail(error, VGG_ERROR_FORMAT, "%s: has %zu bytes, expected %" PRIu64, in->path,
                        in->size, h->bytes);
    if (h->facts > FACTS_MOST || h->samples != VGG_INDEX_SAMPLES)
        return fail_damaged(in, "its head makes no sense", error);
    in->at = sizeof *h;
    return VGG_OK;
}

/* *fact: the rest of the line that begins with `key` and a blank, freed by the caller; NULL where
 * there is none. */
static vgg_status find_fact(const char *text, const char *key, char **fact, vgg_error *error) {
    size_t length = strlen(key);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) != 0 || line[length] != ' ')
            continue;
        line += length + 1;
        vgg_text found = {0};
        vgg_text_add(&found, "%.*s", (int)strcspn(line, "\n"), line);
        *fact = vgg_text_take(&found);
        return *fact != NULL ? VGG_OK : vgg_fail_memory(error, "an index", strlen(line));
    }
    return VGG_OK;
}

static void free_facts(vgg_index_facts *facts) {
    vgg_free(facts->layers);
    vgg_free(facts->scales);
}

static vgg_status read_facts(input *in, vgg_index_facts *facts, vgg_error *error) {
    size_t size = in->head.facts;
    char *text = vgg_calloc(size + 1, 1);
    if (text == NULL)
        return vgg_fail_memory(error, "an index", size + 1);
    vgg_status status = take(in, text, size, error);
    if (status == VGG_OK && in->head.head_sum != sum_head(&in->head, text))
        status = fail_damaged(in, "the sum of its head is another", error);
    vgg_checksum_begin(&in->sum);
    char *model = NULL, *pool = NULL, *protocol = NULL;
    const struct {
        const char *key;
        char **fact;
    } wanted[] = {{"model", &model},
                  {"pool", &pool},
                  {"protocol", &protocol},
                  {"layers", &facts->layers},
                  {"scales", &facts->scales}};
    for (size_t i = 0; status == VGG_OK && i < sizeof wanted / sizeof wanted[0]; i++) {
        status = find_fact(text, wanted[i].key, wanted[i].fact, error);
    }
    if (status == VGG_OK &&
        (model == NULL || pool == NULL || protocol == NULL || facts->layers == NULL))
        status = fail_damaged(in, "it does not say what its rows are made of", error);
    if (status == VGG_OK) {
        facts->fingerprint = strtoull(model, NULL, 16);
        facts->pool = vgg_feature_pool_named(pool);
        facts->protocol = vgg_protocol_named(protocol);
    }
    vgg_free(model);
    vgg_free(pool);
    vgg_free(protocol);
    vgg_free(text);
    return status;
}

/* Names, each of which ends within `text`. */
static vgg_status read_names(input *in, vgg_index_table *table, size_t features, char *text,
                             vgg_error *error) {
    size_t size = in->head.names, at = 0;
    vgg_status status = take(in, text, size, error);
    while (status == VGG_OK && at < size && table->count < in->head.pictures) {
        const char *end = memchr(text + at, '\0', size - at);
        if (end == NULL)
            break;
        status = vgg_index_table_add(table, features, text + at, error);
        at = (size_t)(end - text) + 1;
    }
    if (status == VGG_OK && (at < size || table->count < in->head.pictures))
        status = fail_damaged(in, "its names are not as many as its pictures", error);
    return status;
}

static vgg_status read_table(input *in, vgg_index *index, vgg_error *error) {
    vgg_index_table *table = &index->table;
    size_t features = in->head.features, pictures = in->head.pictures;
    char *names = vgg_malloc(in->head.names + 1);
    if (names == NULL)
        return vgg_fail_memory(error, "the names of an index", in->head.names);
    vgg_status status = read_names(in, table, features, names, error);
    vgg_free(names);
    for (size_t i = 0; status == VGG_OK && i < pictures; i++) {
        status = take(in, &table->entries[i].stamp, sizeof table->entries[i].stamp, error);
    }
    if (status == VGG_OK && pictures > 0)
        status = take(in, table->greys, pictures * VGG_INDEX_SAMPLES, error);
    if (status == VGG_OK && pictures > 0)
        status = take(in, table->rows, pictures * features * sizeof(float), error);
    if (status == VGG_OK && vgg_checksum_end(&in->sum) != in->head.sum)
        status = fail_damaged(in, "the sum of what stands behind its text is another", error);
    if (status == VGG_OK)
        status = vgg_index_reserve_names(index, table->count, error);
    if (status == VGG_OK)
        vgg_index_sort(index);
    return status;
}

static vgg_status read_index(input *in, const vgg_model *model, vgg_index_options *options,
                             vgg_index **index, vgg_error *error) {
    vgg_index_facts facts = {0};
    uint64_t fingerprint = 0;
    vgg_status status = read_head(in, error);
    if (status == VGG_OK)
        status = read_facts(in, &facts, error);
    if (status == VGG_OK)
        status = vgg_model_fingerprint(model, &fingerprint, error);
    if (status == VGG_OK && fingerprint != facts.fingerprint)
        status = vgg_fail(error, VGG_ERROR_ARGUMENT,
                          "%s: was made with another model: its fingerprint is %016" PRIx64
                          ", that of this one %016" PRIx64,
                          in->path, facts.fingerprint, fingerprint);
    if (status == VGG_OK) {
        options->layers = facts.layers;
        options->scales = facts.scales;
        options->pool = facts.pool;
        options->protocol = facts.protocol;
        status = vgg_index_make(model, fingerprint, options, index, error);
        if (status != VGG_OK)
            vgg_error_prefix(error, "%s", in->path);
    }
    if (status == VGG_OK && (*index)->features != in->head.features)
        status = fail_damaged(in, "its rows are not as long as those of its layers", error);
    if (status == VGG_OK)
        status = read_table(in, *index, error);
    free_facts(&facts);
    return status;
}

vgg_status vgg_index_open(const char *path, const vgg_model *model, const vgg_index_options *given,
                          vgg_index **out, vgg_error *error) {
    vgg_index_options options;
    vgg_index_options_init(&options, sizeof options);
    vgg_status status =
        vgg_options_read(&options, sizeof options, given, "vgg_index_options", error);
    input in = {.path = path, .descriptor = -1};
    if (status == VGG_OK)
        status = vgg_file_open(path, &in.descriptor, &in.size, error);
    if (status != VGG_OK)
        return status;
    vgg_index *index = NULL;
    status = read_index(&in, model, &options, &index, error);
    close(in.descriptor);
    if (status != VGG_OK) {
        vgg_index_free(index);
        return status;
    }
    *out = index;
    return VGG_OK;
}
