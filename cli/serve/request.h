/* A request of a client, from its first line until its answer is sent.
 *
 * The thread that talks to clients makes it and collects its body; a job (work.h) then takes it
 * through the threads that read pictures, where its answer is made. */
#ifndef VGG_SERVE_REQUEST_H
#define VGG_SERVE_REQUEST_H

#include <jansson.h>

#include "cli/serve/server.h"
#include "vgg/explain.h"
#include "vgg/image.h"

#define VGG_SERVE_ID_SIZE 65

typedef struct vgg_serve_request vgg_serve_request;
struct vgg_serve_infer;

/* What is served under a path. */
typedef struct vgg_serve_route {
    const char *method;
    bool open;        /* to those without a key */
    const char *path; /* in which "*" is the name of a model, and "#" the number of its version
                       * or of a picture */
    /* When the header is there: what is wrong with the request is answered, by vgg_serve_fail, and
     * whatever needs no body too. */
    void (*begin)(vgg_serve_request *request);
    /* For requests with a body: see vgg_serve_job. */
    bool (*prepare)(vgg_serve_job *job);
    void (*finish)(vgg_serve_job *job);
} vgg_serve_route;

struct vgg_serve_request {
    vgg_serve_job job; /* the first member, so that a job is its request */
    vgg_serve_server *server;
    struct MHD_Connection *connection;
    const vgg_serve_route *route;
    const char *url;
    char method[16], path[257]; /* for the log, cut to that */
    char id[VGG_SERVE_ID_SIZE];
    size_t pictures;     /* that were asked about */
    unsigned char *body; /* with a zero behind it */
    size_t body_size, body_capacity;
    size_t reserved; /* bytes of the answer that are counted among those of bodies */
    size_t received; /* bytes, those of a body that is not kept among them */
    bool submitted;
    double begun;     /* by vgg_serve_now */
    bool logits;      /* in place of probabilities */
    size_t explained; /* class, VGG_EXPLAIN_USUAL: the likeliest */
    vgg_explain_method method_of;
    char layer[VGG_LAYER_NAME];    /* that it looks at; "": the usual one */
    bool plain;                    /* the picture without colours */
    struct vgg_serve_infer *infer; /* what was asked for by the protocol v2 */
    vgg_serve_index *index;        /* that is searched in, kept until the request is freed */
    size_t shown;                  /* the picture of it that is shown */
    /* The answer; status 0: none yet. */
    unsigned status;
    char *text;
    size_t length;
    const char *type, *allow, *policy; /* the latter two NULL: none */
    unsigned retry_after;              /* seconds; 0: not said */
    char json_size[24]; /* of an answer with binary tensors behind it; "": there are none */
};

/* NULL when memory ran out. */
vgg_serve_request *vgg_serve_request_create(vgg_serve_server *server,
                                            struct MHD_Connection *connection, const char *url,
                                            const char *method);
void vgg_serve_request_free(vgg_serve_request *request);

/* Adds to the body, unless there is an answer already. False for a client that does not stop: its
 * connection is to be closed. */
bool vgg_serve_request_take(vgg_serve_request *request, const void *bytes, size_t size);

/* Counts so many bytes that the answer will take among those of all requests, until it is sent.
 * False: there is no room, which was answered. */
bool vgg_serve_request_reserve(vgg_serve_request *request, size_t bytes);

/* Whether a body of so many bytes is received to its end, and be it for an answer that says that it
 * is too long. */
bool vgg_serve_request_bears(const vgg_serve_request *request, size_t size);

/* A header of the request; NULL: it has none. */
const char *vgg_serve_request_header(const vgg_serve_request *request, const char *name);

/* Answers with text, which is freed by the request; NULL: memory ran out for it. */
void vgg_serve_answer(vgg_serve_request *request, unsigned status, const char *type, char *text,
                      size_t length);
/* Answers with the value, which is released; NULL: memory ran out for it. */
void vgg_serve_answer_json(vgg_serve_request *request, unsigned status, json_t *value);
/* Parameters of a URL: the model of that name, true or false, and a number of up to seven digits.
 * What else they are is answered. */
void vgg_serve_ask_model(vgg_serve_request *request, const char *name);
void vgg_serve_ask_flag(vgg_serve_request *request, const char *key, const char *value, bool *flag);
void vgg_serve_ask_number(vgg_serve_request *request, const char *key, const char *value,
                          size_t least, size_t most, size_t *number);
/* Answers with a picture. VGG_OK where memory ran out for the answer, which was said. */
vgg_status vgg_serve_answer_picture(vgg_serve_request *request, const vgg_image *picture,
                                    vgg_image_format format, vgg_error *error);
/* Answers with {"error": ...}. */
void vgg_serve_fail(vgg_serve_request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The status of an answer to a picture that something is wrong with. */
unsigned vgg_serve_code_of(vgg_status status);

/* Answers what has kept a job from being done; false where nothing has. */
bool vgg_serve_fail_job(vgg_serve_request *request);

/* Hands the answer to the thread that sends it. The request may be gone afterwards. */
void vgg_serve_reply(vgg_serve_request *request);

#endif
