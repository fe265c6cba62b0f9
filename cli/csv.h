/* CSV on standard output. */
#ifndef VGG_CLI_CSV_H
#define VGG_CLI_CSV_H

/* RFC 4180: a field with a comma, a quote or a line break is quoted, and quotes in it are doubled.
 * Other programs read the names as they are, a terminal without control characters. */
void vgg_cli_csv_field(const char *field);

#endif
