/* vgg serve: the classes of pictures that others send. */
#include <string.h>

#include "cli/command.h"
#include "cli/environment.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/serve/listen.h"
#include "cli/serve/serve.h"
#include "cli/shared_options.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* What the options name. */
typedef struct serve_names {
    const char *protocol;
    vgg_cli_computing computing;
} serve_names;

static bool parse(vgg_serve_options *o, serve_names *names, int argc, char **argv, int *status) {
    vgg_cli_option model[VGG_CLI_MODEL_OPTIONS];
    vgg_cli_option pictures[VGG_CLI_PREPROCESS_OPTIONS];
    vgg_cli_model_options(&o->source, model);
    vgg_cli_preprocess_options(&o->source.pictures, pictures);
    model[0] = (vgg_cli_option){
        .type = VGG_CLI_TEXTS,
        .name = "model",
        .argument = "[NAME=]FILE",
        .value = &o->models,
        .help = "a model file, of any format that vgg inspect knows, or the folder of a run, and "
                "the name by which clients ask for it; may be given several times, and the first "
                "answers those who ask for none. The options below hold for all files",
        .fallback = "builtin; NAME is the file's without its folder and ending"};
    const vgg_cli_option where[] = {
        {.type = VGG_CLI_TEXT,
         .name = "listen",
         .argument = "WHERE",
         .value = &o->listen,
         .help = "HOST:PORT, where 0.0.0.0 is every address of this machine and port 0 one that is "
                 "free, or unix:PATH",
         .fallback = "a socket that systemd hands over, or " VGG_SERVE_LISTEN},
        {.type = VGG_CLI_NUMBER,
         .name = "grace",
         .argument = "S",
         .value = &o->grace,
         .maximum = 86400,
         .help = "seconds in which, after SIGTERM or Ctrl-C, what has come in is answered"},
        {.type = VGG_CLI_SWITCH,
         .name = "watch",
         .value = &o->watch,
         .help = "whether a model whose file changes is loaded anew, as all are at SIGHUP; a file "
                 "that cannot be loaded leaves the old version in place"},
        {.type = VGG_CLI_TEXT,
         .name = "run",
         .argument = "RUN",
         .value = &o->run,
         .help = "the folder of a training, whose report the page shows, anew when it changes",
         .fallback = "none"},
        {.type = VGG_CLI_TEXT,
         .name = "index",
         .argument = "INDEX",
         .value = &o->index,
         .help = "what vgg index made with one of the models, of pictures that clients search for "
                 "similar ones, and are shown; opened anew when it changes",
         .fallback = "none"},
        {.type = VGG_CLI_SWITCH,
         .name = "access-log",
         .value = &o->log,
         .help = "whether each request is a line of JSON on standard output"},
        {.type = VGG_CLI_TEXT,
         .name = "api-key-file",
         .argument = "FILE",
         .value = &o->keys,
         .help = "keys, one a line, # for comments: only who sends one (Authorization: Bearer KEY) "
                 "is answered; /health needs none",
         .fallback = "everybody is answered"},
        {.type = VGG_CLI_TEXT,
         .name = "tls-cert",
         .argument = "FILE",
         .value = &o->certificate,
         .help = "a certificate in PEM, those above it behind it: speak HTTPS"},
        {.type = VGG_CLI_TEXT,
         .name = "tls-key",
         .argument = "FILE",
         .value = &o->private_key,
         .help = "its private key in PEM"},
        {.type = VGG_CLI_TEXTS,
         .name = "cors",
         .argument = "ORIGIN",
         .value = &o->origins,
         .help = "pages of this origin (https://example.org) may ask, * being all; may be given "
                 "several times",
         .fallback = "none of another server"},
    };
    const vgg_cli_option computing[] = {
        {.type = VGG_CLI_SIZE,
         .name = "top",
         .argument = "K",
         .value = &o->top,
         .minimum = 1,
         .maximum = 1e6,
         .help = "how many classes to answer, the likeliest first, unless a client says"},
        vgg_cli_threads_option(&o->threads),
        {.type = VGG_CLI_SIZE,
         .name = "workers",
         .argument = "N",
         .value = &o->workers,
         .minimum = 1,
         .maximum = VGG_THREADS_MAX,
         .help = "threads that read pictures",
         .fallback = "one per processor"},
        {.type = VGG_CLI_SIZE,
         .name = "max-batch",
         .argument = "N",
         .value = &o->max_batch,
         .minimum = 1,
         .maximum = 4096,
         .help = "how many pictures to compute at once, if so many wait; answers are the same"},
        {.type = VGG_CLI_NUMBER,
         .name = "max-delay",
         .argument = "MS",
         .value = &o->max_delay,
         .maximum = 60000,
         .help = "milliseconds that a picture waits for others to be computed with"},
        vgg_cli_exact_option(&o->exact),
        vgg_cli_device_option(&names->computing.device),
        vgg_cli_precision_option(&names->computing.precision),
        vgg_cli_protocol_option(&names->protocol),
    };
    const vgg_cli_option limits[] = {
        {.type = VGG_CLI_SIZE,
         .name = "queue",
         .argument = "N",
         .value = &o->queue,
         .minimum = 1,
         .maximum = 1e6,
         .help = "pictures that wait for a model at most; others are answered 503, to come back"},
        {.type = VGG_CLI_NUMBER,
         .name = "timeout",
         .argument = "S",
         .value = &o->timeout,
         .maximum = 86400,
         .above = true,
         .help = "seconds after which a request that is not computed yet is answered 504"},
        {.type = VGG_CLI_NUMBER,
         .name = "idle-timeout",
         .argument = "S",
         .value = &o->idle_timeout,
         .minimum = 1,
         .maximum = 86400,
         .help = "seconds after which a silent connection is closed"},
        {.type = VGG_CLI_NUMBER,
         .name = "header-timeout",
         .argument = "S",
         .value = &o->header_timeout,
         .minimum = 0.1,
         .maximum = 86400,
         .help = "seconds in which a connection must have sent the header of a request"},
        {.type = VGG_CLI_NUMBER,
         .name = "max-body",
         .argument = "MB",
         .value = &o->max_body,
         .maximum = 2000,
         .above = true,
         .help = "megabytes of a request"},
        {.type = VGG_CLI_NUMBER,
         .name = "max-bodies",
         .argument = "MB",
         .value = &o->max_bodies,
         .maximum = 1e6,
         .above = true,
         .help = "megabytes of all requests that are there, beyond which they are answered 503"},
        {.type = VGG_CLI_SIZE,
         .name = "max-pictures",
         .argument = "N",
         .value = &o->max_pictures,
         .minimum = 1,
         .maximum = 10000,
         .help = "pictures of a request; at most --queue"},
        {.type = VGG_CLI_NUMBER,
         .name = "max-pixels",
         .argument = "M",
         .value = &o->max_pixels,
         .maximum = 200,
         .above = true,
         .help = "million pixels of a picture, which its header says before it is read"},
        {.type = VGG_CLI_SIZE,
         .name = "max-connections",
         .argument = "N",
         .value = &o->connections,
         .minimum = 1,
         .maximum = 100000,
         .help = "connections at once; others wait to be accepted or are closed"},
        {.type = VGG_CLI_SIZE,
         .name = "max-per-client",
         .argument = "N",
         .value = &o->connections_per_client,
         .minimum = 0,
         .maximum = 100000,
         .help = "connections of one address at once; 0: as many as of all"},
    };
    const vgg_cli_group groups[] = {
        {"MODEL", model, COUNT(model)},    {"PICTURES", pictures, COUNT(pictures)},
        {"SERVER", where, COUNT(where)},   {"COMPUTING", computing, COUNT(computing)},
        {"LIMITS", limits, COUNT(limits)},
    };
    const vgg_cli_usage usage = {
        .command = "serve",
        .summary = "answer what is in pictures that are sent over HTTP",
        .synopsis = "vgg serve [--model [NAME=]FILE]... [options]",
        .description =
            "Serves models over HTTP until SIGTERM or Ctrl-C. POST /predict takes a picture, or a "
            "form with several, and answers what vgg predict --format json prints, to the same "
            "bits; ?top=K, ?model=NAME and ?logits=true ask for more. POST /explain "
            "answers a picture of what speaks for a class, and POST /search with the pictures of "
            "--index that look most like another. GET /health answers 200. "
            "The Open Inference Protocol v2 is under /v2, described by /openapi.json; a page for "
            "people is at /. "
            "Errors are JSON, too. docs/serve.md says more.\n"
            "Pictures that wait are computed together. Memory is planned, and said at the start.",
        .groups = groups,
        .group_count = COUNT(groups),
        .examples = "vgg serve\n"
                    "vgg serve --model run/ --model vgg16=vgg16.safetensors --listen 0.0.0.0:8080\n"
                    "curl -F image=@photo.jpg 'http://127.0.0.1:8080/predict'\n"
                    "curl --data-binary @photo.jpg 'http://127.0.0.1:8080/predict?top=3'",
    };
    size_t operands;
    return vgg_cli_parse(&usage, argc, argv, &operands, status);
}

int vgg_cli_serve(int argc, char **argv) {
    serve_names names = {.protocol = vgg_cli_protocols[0]};
    vgg_serve_options o = {.grace = 30,
                           .top = 5,
                           .threads = vgg_cli_default_threads(),
                           .max_batch = 32,
                           .queue = 256,
                           .timeout = 30,
                           .idle_timeout = 60,
                           .header_timeout = 10,
                           .watch = true,
                           .log = true,
                           .max_body = 32,
                           .max_bodies = 256,
                           .max_pictures = 64,
                           .max_pixels = 50,
                           .connections = 1000,
                           .source.private_copy = true};
    int status;
    if (!parse(&o, &names, argc, argv, &status))
        return status;
    if ((o.certificate == NULL) != (o.private_key == NULL)) {
        vgg_cli_complain("serve", "--tls-cert and --tls-key: one is of no use without the other");
        return VGG_CLI_USAGE;
    }
    status = vgg_cli_computing_settle("serve", &names.computing, o.exact, false);
    if (status != VGG_CLI_OK)
        return status;
    o.protocol = vgg_protocol_named(names.protocol);
    o.precision = vgg_precision_named(names.computing.precision);
    o.device = vgg_device_named(names.computing.device);
    if (o.workers == 0)
        o.workers = vgg_threads_default();
    return vgg_serve_run(&o);
}
