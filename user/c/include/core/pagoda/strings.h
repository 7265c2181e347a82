/* Library functions that are in both dialects' user.h. */
#ifndef PAGODA_STRINGS_H
#define PAGODA_STRINGS_H

#include <pagoda/types.h>

char *strcpy(char *to, const char *from);
void *memmove(void *to, const void *from, int n);
char *strchr(const char *s, char wanted);
int strcmp(const char *one, const char *other);
uint strlen(const char *s);
void *memset(void *to, int byte, uint n);
int atoi(const char *s);
char *gets(char *line, int room);
void *malloc(uint n);
void free(void *pointer);

#endif
