/* Writing HTML: texts of others escaped, pictures and scripts within the page. */
#ifndef VGG_CLI_REPORT_HTML_H
#define VGG_CLI_REPORT_HTML_H

#include <stddef.h>
#include <stdio.h>

/* Writes somebody's text as text: what means something to HTML, in attributes too, is escaped,
 * control characters and bytes that are no UTF-8 become U+FFFD. */
void vgg_cli_html_text(FILE *out, const char *text);
/* The same for a string of JSON within a script, with its quotes. */
void vgg_cli_html_json(FILE *out, const char *text);

void vgg_cli_html_base64(FILE *out, const void *bytes, size_t size);

/* "sha256-..." of the text, as a content-security policy has it. */
void vgg_cli_html_hash(FILE *out, const void *text, size_t size);

/* A row of a table with a head: <tr><th scope="row">name</th><td>value</td></tr>. */
void vgg_cli_html_row(FILE *out, const char *name, const char *value);

/* "81.3 %"; "–" for what is not known. */
void vgg_cli_html_percent(FILE *out, double share);
/* Four digits that count; "–" for what is not known. */
void vgg_cli_html_number(FILE *out, double value);

#endif
