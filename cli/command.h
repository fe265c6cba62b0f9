/* What every subcommand shares: its entry in the table of main.c and the exit statuses. */
#ifndef VGG_CLI_COMMAND_H
#define VGG_CLI_COMMAND_H

enum {
    VGG_CLI_OK = 0,
    VGG_CLI_FAILURE = 1,
    VGG_CLI_USAGE = 2,     /* the command line makes no sense; nothing was done */
    VGG_CLI_SKIPPED = 3,   /* the work is done, but pictures could not be read */
    VGG_CLI_PROBLEMS = 4,  /* the file could be read, but something is wrong with it */
    VGG_CLI_STOPPED = 130, /* a signal stopped a training, which was saved */
};

typedef struct vgg_cli_command {
    const char *name;
    const char *summary;               /* its line in `vgg help` */
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit status */
} vgg_cli_command;

int vgg_cli_train(int argc, char **argv);
int vgg_cli_eval(int argc, char **argv);
int vgg_cli_score(int argc, char **argv);
int vgg_cli_report(int argc, char **argv);
int vgg_cli_predict(int argc, char **argv);
int vgg_cli_serve(int argc, char **argv);
int vgg_cli_distance(int argc, char **argv);
int vgg_cli_explain(int argc, char **argv);
int vgg_cli_show(int argc, char **argv);
int vgg_cli_features(int argc, char **argv);
int vgg_cli_index(int argc, char **argv);
int vgg_cli_search(int argc, char **argv);
int vgg_cli_duplicates(int argc, char **argv);
int vgg_cli_style(int argc, char **argv);
int vgg_cli_probe(int argc, char **argv);
int vgg_cli_summary(int argc, char **argv);
int vgg_cli_inspect(int argc, char **argv);
int vgg_cli_convert(int argc, char **argv);
int vgg_cli_bench(int argc, char **argv);
int vgg_cli_generate(int argc, char **argv);
int vgg_cli_augment(int argc, char **argv);

#endif
