/* What the tests of this folder have in common. A test prints one line that begins with XV6_TEST_OUTPUT:
 * `ok` and what it found right, or the line of the check that failed. */
#define CHECK(right)                                                              \
    do {                                                                          \
        if (!(right)) {                                                           \
            printf(1, "XV6_TEST_OUTPUT line %d: not so: %s\n", __LINE__, #right); \
            exit();                                                               \
        }                                                                         \
    } while (0)

#define PAGE 4096
#define FAILED ((char *)-1)

/* The assignment's anonymous mapping; it takes no notice of protection and flags yet. */
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

/* Whether two ranges of memory share a byte. */
static inline int overlap(char *a, int alen, char *b, int blen)
{
    return a < b + blen && b < a + alen;
}

/* Whether a child that calls `act` lives on behind the call. */
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

/* Pages that nobody has, with those that only make the kernel quicker. */
static inline int free_pages(void)
{
    struct meminfo info;
    CHECK(meminfo(&info, sizeof info, MEMINFO_DROP_CACHES) > 0);
    return info.free;
}
