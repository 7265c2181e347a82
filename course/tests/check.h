/* Common code of these tests. A test prints one line that starts with XV6_TEST_OUTPUT: `ok` and
 * what works, or the failed check. */
#define CHECK(right)                                                              \
    do {                                                                          \
        if (!(right)) {                                                           \
            printf(1, "XV6_TEST_OUTPUT line %d: not so: %s\n", __LINE__, #right); \
            exit();                                                               \
        }                                                                         \
    } while (0)

#define PAGE 4096
#define FAILED ((char *)-1)

/* The assignment's anonymous mapping, which ignores protection and flags. */
#define MAP(hint, length) ((char *)mmap((void *)(hint), (length), 0, 0, -1, 0))

/* Whether all of the bytes are `byte`. */
static inline int filled(char *bytes, int count, char byte)
{
    int i;
    for (i = 0; i < count; i++)
        if (bytes[i] != byte)
            return 0;
    return 1;
}

static inline int page_aligned(void *address)
{
    return ((unsigned long)address & (PAGE - 1)) == 0;
}

/* Whether two ranges overlap. */
static inline int overlap(char *a, int alen, char *b, int blen)
{
    return a < b + blen && b < a + alen;
}

/* Whether a child survives calling `act`. */
static inline int survives(void (*act)(char *), char *argument)
{
    int ends[2];
    char told = 0;
    CHECK(pipe(ends) == 0);
    if (fork() == 0) {
        act(argument);
        write(ends[1], "y", 1);
        exit();
    }
    close(ends[1]);
    read(ends[0], &told, 1);
    close(ends[0]);
    wait();
    return told == 'y';
}

static inline void load(char *address)
{
    (void)*(volatile char *)address;
}

static inline void store(char *address)
{
    *(volatile char *)address = 1;
}

/* Free pages, including reclaimable caches. */
static inline int free_pages(void)
{
    struct meminfo info;
    CHECK(meminfo(&info, sizeof info, MEMINFO_DROP_CACHES) > 0);
    return info.free;
}
