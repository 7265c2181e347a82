/* Calls that are in neither dialect's user.h: include <pagoda/extra.h>. Not in user.h, because
 * programs often define such names themselves. */
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

/* Wait until all changes of one file, or of all, are on the disk. */
int fsync(int fd);
int sync(void);

/* Process groups, as in POSIX; foreground group 0 is none. */
int setpgid(int pid, int group);
int getpgid(int pid);
int tcsetpgrp(int fd, int group);
int tcgetpgrp(int fd);

#endif
