/* The heap: first fit, in 16-byte units, on top of sbrk. Free blocks form a list sorted by address,
 * and adjacent ones are merged. Allocation takes the end of the first block that is large enough,
 * so the list does not change. */
#include "runtime.h"
#include <pagoda/extra.h>

#define UNIT 16
/* Least growth of the heap; untouched pages cost nothing. */
#define STEP 0x10000

/* A block's header; `size` includes it. */
struct block {
    uint64 size;
    /* The next free block, or the mark of a block in use. */
    union {
        struct block *next;
        uint64 mark;
    };
};

_Static_assert(sizeof(struct block) == UNIT, "what malloc returns must be aligned");

static struct block *first_free;

/* The mark of a block in use. It depends on the address, so that stale copies of a header are
 * invalid. */
static uint64 mark_of(const struct block *block)
{
    return (uint64)block ^ 0x9a60da0000000001ull;
}

/* Inserts a block into the list and merges it with its neighbours. */
static void insert_free(struct block *block)
{
    struct block *before = 0, *after = first_free;
    while (after && after < block) {
        before = after;
        after = after->next;
    }
    block->next = after;
    if (before)
        before->next = block;
    else
        first_free = block;
    if (after && (char *)block + block->size == (char *)after) {
        block->size += after->size;
        block->next = after->next;
    }
    if (before && (char *)before + before->size == (char *)block) {
        before->size += block->size;
        before->next = block->next;
    }
}

/* Gets a block of at least `size` bytes from the kernel. */
static int grow(uint64 size)
{
    uint64 odd = (uint64)__sys_sbrk(0) % UNIT, fill = odd ? UNIT - odd : 0;
    uint64 wanted = size > STEP ? size : STEP;
    char *start = __move_break(fill + wanted);
    if (start == (char *)-1) {
        wanted = size;
        start = __move_break(fill + wanted);
    }
    if (start == (char *)-1)
        return 0;
    struct block *block = (struct block *)(start + fill);
    block->size = wanted;
    insert_free(block);
    return 1;
}

static struct block *take(uint64 size)
{
    struct block *before = 0, *block = first_free;
    while (block && block->size < size) {
        before = block;
        block = block->next;
    }
    if (!block)
        return 0;
    if (block->size > size) {
        block->size -= size;
        block = (struct block *)((char *)block + block->size);
        block->size = size;
    } else if (before) {
        before->next = block->next;
    } else {
        first_free = block->next;
    }
    block->mark = mark_of(block);
    return block;
}

WEAK void *malloc(uint n)
{
    uint64 size = ((uint64)n + UNIT - 1) / UNIT * UNIT + UNIT;
    struct block *block = take(size);
    if (!block && grow(size))
        block = take(size);
    return block ? block + 1 : 0;
}

/* The block of a pointer from malloc; null for any other. */
static struct block *block_of(void *pointer)
{
    struct block *block = (struct block *)pointer - 1;
    return (uint64)pointer % UNIT == 0 && block->mark == mark_of(block) ? block : 0;
}

/* Reports a pointer that is no block in use, and ignores it. */
WEAK void free(void *pointer)
{
    static const char complaint[] = "free: invalid pointer or double free\n";
    if (!pointer)
        return;
    struct block *block = block_of(pointer);
    if (block)
        insert_free(block);
    else
        __sys_write(2, complaint, sizeof complaint - 1);
}

WEAK void *calloc(uint count, uint size)
{
    uint64 n = (uint64)count * size;
    if (n > 0xffffffffu)
        return 0;
    void *memory = malloc(n);
    return memory ? memset(memory, 0, n) : 0;
}

WEAK void *realloc(void *old, uint n)
{
    if (!old)
        return malloc(n);
    struct block *block = block_of(old);
    if (!block)
        return 0;
    uint64 has = block->size - UNIT;
    if (n <= has)
        return old;
    void *new = malloc(n);
    if (new) {
        memcpy(new, old, has);
        free(old);
    }
    return new;
}
