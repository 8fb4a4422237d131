/* The title of this process, as ps shows it. */
#ifndef TSFPM_TITLE_H
#define TSFPM_TITLE_H

/*
 * Once, with main's arguments, before anything changes the environment: a title is written over the memory of both.
 * php-cgi's arguments move elsewhere, for it reads them again in each worker.
 */
void tsfpm_title_prepare(int argc, char **argv, char **envp);

void tsfpm_title_set(const char *title); /* cut to the room that there is */

#endif
