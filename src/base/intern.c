#include "base/intern.h"

#include "base/hash.h"

#include <string.h>

/* Where the text is in the hash table, or the free place for it. */
static size_t place_of(const intern *t, const char *bytes, size_t length)
{
    size_t at = hash_bytes(0, bytes, length) & (t->slot_count - 1);
    for (; t->slots[at]; at = (at + 1) & (t->slot_count - 1)) {
        const intern_text *other = &t->items[t->slots[at] - 1];
        if (other->length == length && memcmp(other->text, bytes, length) == 0)
            break;
    }
    return at;
}

/* Doubles the hash table and puts the texts into it again. */
static kiln_status grow(intern *t)
{
    size_t count = t->slot_count ? t->slot_count * 2 : 64;
    uint32_t *slots = mem_new(count, sizeof *slots);
    if (slots == NULL)
        return kiln_last_status();
    free(t->slots);
    t->slots = slots;
    t->slot_count = count;
    for (size_t i = 0; i < t->count; i++)
        slots[place_of(t, t->items[i].text, t->items[i].length)] = (uint32_t)i + 1;
    return KILN_OK;
}

bool intern_find(const intern *t, const char *bytes, size_t length, uint32_t *number)
{
    size_t at = t->slot_count ? place_of(t, bytes, length) : 0;
    if (t->slot_count == 0 || t->slots[at] == 0)
        return false;
    *number = t->slots[at] - 1;
    return true;
}

kiln_status intern_add(intern *t, const char *bytes, size_t length, uint32_t *number)
{
    if (intern_find(t, bytes, length, number))
        return KILN_OK;
    if (2 * (t->count + 1) > t->slot_count)
        KILN_TRY(grow(t));
    if (t->count == UINT32_MAX - 1)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "more than %u different texts", UINT32_MAX - 1);
    KILN_TRY(MEM_PUSH_ROOM(t));
    *number = (uint32_t)t->count;
    t->items[t->count++] = (intern_text){bytes, length};
    t->slots[place_of(t, bytes, length)] = *number + 1;
    return KILN_OK;
}

void intern_free(intern *t)
{
    free(t->items);
    free(t->slots);
    *t = (intern){0};
}
