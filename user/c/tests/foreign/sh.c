/* A shell for a foreign image: programs with arguments, output redirection, and & for background
 * commands; lines of at most 99 bytes. As on xv6, it ignores exit statuses, and a background
 * command is a child of a child that exits at once. */
#include "kernel/types.h"
#include "kernel/fcntl.h"
#include "user/user.h"

enum { WORDS = 10 };

static int separates(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Splits the line into words, terminated by a null. */
static void cut(char *line, char **words)
{
    int count = 0;
    while (*line && count < WORDS) {
        while (separates(*line))
            *line++ = 0;
        if (*line)
            words[count++] = line;
        while (*line && !separates(*line))
            line++;
    }
    words[count] = 0;
}

static void run(char **words)
{
    for (char **word = words; *word; word++) {
        if (strcmp(*word, "&") == 0) {
            if (fork() > 0)
                exit(0);
            *word = 0;
            break;
        }
        if (strcmp(*word, ">") == 0 && word[1]) {
            close(1);
            if (open(word[1], O_CREATE | O_WRONLY | O_TRUNC) < 0)
                exit(1);
            *word = 0;
            break;
        }
    }
    if (*words && exec(*words, words) < 0)
        fprintf(2, "exec %s failed\n", *words);
    exit(1);
}

int main(void)
{
    static char line[100];
    char *words[WORDS + 1];
    for (;;) {
        fprintf(2, "$ ");
        gets(line, sizeof line);
        if (line[0] == 0)
            exit(0);
        cut(line, words);
        if (fork() == 0)
            run(words);
        wait(0);
    }
}
