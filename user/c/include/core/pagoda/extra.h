/* What neither dialect has in its user.h, for programs that ask: include <pagoda/extra.h>. It is not
 * in user.h because many a program has functions of its own under these names. */
#ifndef PAGODA_EXTRA_H
#define PAGODA_EXTRA_H

#include <pagoda/types.h>
#include <stdarg.h>

void *malloc(uint n);
void free(void *pointer);
void *calloc(uint count, uint size);
void *realloc(void *old, uint n);

void *memset(void *to, int byte, uint n);
void *memmove(void *to, const void *from, int n);
void *memcpy(void *to, const void *from, uint n);
int memcmp(const void *one, const void *other, uint n);
void *memchr(const void *in, int byte, uint n);

uint strlen(const char *s);
char *strcpy(char *to, const char *from);
char *strncpy(char *to, const char *from, int n);
char *safestrcpy(char *to, const char *from, int n);
char *strcat(char *to, const char *from);
char *strncat(char *to, const char *from, uint n);
int strcmp(const char *one, const char *other);
int strncmp(const char *one, const char *other, uint n);
char *strchr(const char *s, char wanted);
char *strrchr(const char *s, char wanted);
char *strstr(const char *in, const char *wanted);
char *strdup(const char *s);
int atoi(const char *s);

int snprintf(char *to, uint room, const char *format, ...);
int vsnprintf(char *to, uint room, const char *format, va_list arguments);
int sprintf(char *to, const char *format, ...);

/* These wait until the disk has all changes, of one file or of all. */
int fsync(int fd);
int sync(void);

/* Process groups, as in POSIX; group 0 in the foreground is none, so that Ctrl-C ends nobody. */
int setpgid(int pid, int group);
int getpgid(int pid);
int tcsetpgrp(int fd, int group);
int tcgetpgrp(int fd);

#endif
