/* The system calls that both dialects share. */
#ifndef PAGODA_CALLS_H
#define PAGODA_CALLS_H

#include <pagoda/types.h>

struct stat;

int fork(void);
int pipe(int *ends);
int write(int fd, const void *buffer, int n);
int read(int fd, void *buffer, int n);
int close(int fd);
int kill(int pid);
int exec(const char *path, char **arguments);
int open(const char *path, int how);
int mknod(const char *path, short major, short minor);
int unlink(const char *path);
int fstat(int fd, struct stat *stat);
int link(const char *old, const char *new);
int mkdir(const char *path);
int chdir(const char *path);
int dup(int fd);
int getpid(void);
char *sbrk(int bytes);
int sleep(int ticks);
int uptime(void);
/* Powers the machine off with this exit status. */
void shutdown(int status) __attribute__((noreturn));

int stat(const char *path, struct stat *stat);

#endif
