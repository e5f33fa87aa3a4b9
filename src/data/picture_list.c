#include "data/picture_list.h"

#include "data/picture.h"

#include <string.h>

enum { DEEPEST = 64 };

/* Where the names between the slashes of a path are. */
typedef struct components {
    int count;
    const char *start[DEEPEST];
    size_t length[DEEPEST];
} components;

static bool cut(const char *path, components *c)
{
    c->count = 0;
    while (*path) {
        size_t length = strcspn(path, "/");
        if (length > 0 && !(length == 1 && *path == '.')) {
            if (c->count == DEEPEST)
                return false;
            c->start[c->count] = path;
            c->length[c->count++] = length;
        }
        path += length + (path[length] == '/');
    }
    return c->count > 0;
}

static bool is(const components *c, int i, const char *word)
{
    return c->length[i] == strlen(word) && memcmp(c->start[i], word, c->length[i]) == 0;
}

static bool same(const components *a, const components *b, int i)
{
    return a->length[i] == b->length[i] && memcmp(a->start[i], b->start[i], a->length[i]) == 0;
}

bool picture_list_takes(const char *path, bool folder)
{
    components c;
    if (!cut(path, &c))
        return false;
    for (int i = 0; i < c.count; i++)
        if (c.start[i][0] == '.' || is(&c, i, "__MACOSX"))
            return false;
    return folder || picture_is_named(path);
}

/* train/CLASS or ROOT/train/CLASS: the place of the class among the components, or -1. */
static int class_below_part(const components *c, bool folder, picture_part *part)
{
    int names = c->count - !folder; /* of folders */
    for (int i = 0; i < 2 && i + 1 < names; i++) {
        *part = is(c, i, "train") ? PART_TRAIN : is(c, i, "test") ? PART_TEST : PART_NONE;
        if (*part)
            return i + 1;
    }
    *part = PART_NONE;
    return -1;
}

picture_part picture_part_of(const char *path)
{
    components c;
    picture_part part = PART_NONE;
    if (cut(path, &c))
        class_below_part(&c, false, &part);
    return part;
}

kiln_status picture_list_add(picture_list *list, const char *path, bool folder)
{
    KILN_TRY(MEM_PUSH_ROOM(list));
    picture_item *item = &list->items[list->count];
    *item = (picture_item){.row = -1, .folder = folder};
    item->path = str_copy(path);
    if (item->path == NULL)
        return kiln_last_status();
    list->count++;
    return KILN_OK;
}

/* How many folders all pictures share above their classes. */
static int shared_folders(const picture_list *list)
{
    components first = {0}, c;
    int shared = -1;
    for (size_t i = 0; i < list->count; i++) {
        const picture_item *item = &list->items[i];
        if (item->folder || !cut(item->path, &c))
            continue;
        int most = c.count - 2;
        if (shared < 0) {
            first = c;
            shared = most > 0 ? most : 0;
        }
        int n = 0;
        while (n < shared && n < most && same(&first, &c, n))
            n++;
        shared = n;
    }
    return shared < 0 ? 0 : shared;
}

static void set_class(picture_item *item, const components *c, int at)
{
    item->class_start = (size_t)(c->start[at] - item->path);
    item->class_length = c->length[at];
}

/* Finds the class and part of each item. Those of no class keep the length 0. *parted: there are
 * train/ or test/. */
static void place(picture_list *list, const picture_wish *wish, bool *parted)
{
    components c;
    *parted = false;
    for (size_t i = 0; i < list->count; i++) {
        picture_item *item = &list->items[i];
        int at = cut(item->path, &c) ? class_below_part(&c, item->folder, &item->part) : -1;
        item->class_length = 0;
        if (at >= 0)
            set_class(item, &c, at);
        *parted |= item->part != PART_NONE && !item->folder;
    }
    int above = *parted || !wish->in_archive ? 0 : shared_folders(list);
    for (size_t i = 0; i < list->count && !*parted; i++) {
        picture_item *item = &list->items[i];
        item->part = PART_NONE;
        item->class_length = 0;
        if (cut(item->path, &c) && c.count - !item->folder > above)
            set_class(item, &c, above);
    }
}

static int compare_classes(const picture_item *a, const picture_item *b)
{
    size_t n = a->class_length < b->class_length ? a->class_length : b->class_length;
    int order = memcmp(a->path + a->class_start, b->path + b->class_start, n);
    if (order)
        return order;
    return (a->class_length > b->class_length) - (a->class_length < b->class_length);
}

static int compare(const void *first, const void *second)
{
    const picture_item *a = first, *b = second;
    int order = compare_classes(a, b);
    if (order == 0)
        order = strcmp(a->path, b->path);
    return order ? order : (a->row > b->row) - (a->row < b->row);
}

static void drop(picture_list *list, size_t *kept, size_t i)
{
    free(list->items[i].path);
    list->items[i].path = NULL;
    (void)kept;
}

static char *class_name(const picture_item *item)
{
    return str_format("%.*s", (int)item->class_length, item->path + item->class_start);
}

static kiln_status unknown_class(const picture_item *item, const picture_wish *wish)
{
    text known = {0};
    for (size_t i = 0; i < wish->class_count && i < 8; i++)
        text_add(&known, "%s%s", i ? ", " : "", wish->class_names[i]);
    if (wish->class_count > 8)
        text_add(&known, ", ...");
    kiln_fail(KILN_ERROR_FORMAT, "%s: the class '%.*s' is none of the %zu that are known (%s)",
              wish->origin, (int)item->class_length, item->path + item->class_start,
              wish->class_count, known.data ? known.data : "");
    text_free(&known);
    return kiln_last_status();
}

/* Labels by the names that are given. */
static kiln_status label_known(picture_list *list, const picture_wish *wish)
{
    int32_t last = -1;
    for (size_t i = 0; i < list->count; i++) {
        picture_item *item = &list->items[i];
        if (i == 0 || compare_classes(item, &list->items[i - 1]) != 0) {
            last = -1;
            for (size_t k = 0; k < wish->class_count && last < 0; k++)
                if (strlen(wish->class_names[k]) == item->class_length &&
                    memcmp(wish->class_names[k], item->path + item->class_start,
                           item->class_length) == 0)
                    last = (int32_t)k;
        }
        if (last < 0 && !item->folder)
            return unknown_class(item, wish);
        item->label = last;
    }
    return KILN_OK;
}

/* Classes are the folders, in both parts. */
static kiln_status label_found(picture_list *list, const picture_wish *wish, char ***names,
                               size_t *count)
{
    size_t room = 0;
    for (size_t i = 0; i < list->count;) {
        picture_item *first = &list->items[i];
        bool some = false;
        size_t end = i;
        for (; end < list->count && compare_classes(first, &list->items[end]) == 0; end++) {
            picture_item *item = &list->items[end];
            item->label = (int32_t)*count;
            some |= !item->folder &&
                    (item->part == PART_NONE || (item->part == PART_TEST) == wish->test);
        }
        if (!some && !wish->test)
            return kiln_fail(KILN_ERROR_FORMAT,
                             "%s: the class '%.*s' has no pictures; remove its folder or fill it",
                             wish->origin, (int)first->class_length,
                             first->path + first->class_start);
        KILN_TRY(mem_grow(names, &room, *count + 1, sizeof **names));
        (*names)[*count] = class_name(first);
        if ((*names)[*count] == NULL)
            return kiln_last_status();
        ++*count;
        i = end;
    }
    if (*count == 1)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: all pictures are of one class, '%s'; a classifier needs a folder for "
                         "each of two classes or more",
                         wish->origin, (*names)[0]);
    return KILN_OK;
}

static kiln_status copy_known(const picture_wish *wish, char ***names, size_t *count)
{
    *names = mem_new(wish->class_count, sizeof **names);
    if (*names == NULL)
        return kiln_last_status();
    for (; *count < wish->class_count; ++*count) {
        (*names)[*count] = str_copy(wish->class_names[*count]);
        if ((*names)[*count] == NULL)
            return kiln_last_status();
    }
    return KILN_OK;
}

/* Removes what `keep` does not want. */
static void filter(picture_list *list, bool (*keep)(const picture_item *, const picture_wish *),
                   const picture_wish *wish)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (keep(&list->items[i], wish))
            list->items[kept++] = list->items[i];
        else
            drop(list, &kept, i);
    }
    list->count = kept;
}

static bool has_class(const picture_item *item, const picture_wish *wish)
{
    (void)wish;
    return item->class_length > 0;
}

static bool is_picture(const picture_item *item, const picture_wish *wish)
{
    (void)wish;
    return !item->folder;
}

static bool is_wanted(const picture_item *item, const picture_wish *wish)
{
    return !item->folder && (item->part == PART_NONE || (item->part == PART_TEST) == wish->test);
}

static kiln_status nothing(const picture_list *list, const picture_wish *wish, bool parted)
{
    (void)list;
    if (parted)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: has no pictures in %s/, only in %s/", wish->origin,
                         wish->test ? "test" : "train", wish->test ? "train" : "test");
    return kiln_fail(KILN_ERROR_FORMAT,
                     "%s: has no pictures; put .png, .jpg or .jpeg files into a folder for each "
                     "class",
                     wish->origin);
}

kiln_status picture_list_resolve(picture_list *list, const picture_wish *wish, char ***names,
                                 size_t *count)
{
    bool parted, classes = false, pictures = false, some = false;
    *names = NULL;
    *count = 0;
    place(list, wish, &parted);
    for (size_t i = 0; i < list->count; i++) {
        const picture_item *item = &list->items[i];
        if (!item->folder)
            pictures = true;
        if (!item->folder && item->class_length > 0)
            classes = true;
        some |= item->class_length > 0 && is_wanted(item, wish);
    }
    if (!pictures)
        return nothing(list, wish, false);
    if (parted && !some)
        return nothing(list, wish, true);
    bool labels = wish->labels != KILN_NO && classes;
    if (wish->labels == KILN_YES && !classes)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: its pictures lie in no class folders; put those of each class into a "
                         "folder of its name",
                         wish->origin);
    if (classes)
        filter(list, has_class, wish);
    else
        filter(list, is_picture, wish);
    if (list->count > 0)
        qsort(list->items, list->count, sizeof *list->items, compare);
    if (labels && wish->class_count > 0) {
        KILN_TRY(label_known(list, wish));
        KILN_TRY(copy_known(wish, names, count));
    } else if (labels) {
        KILN_TRY(label_found(list, wish, names, count));
    }
    filter(list, is_wanted, wish);
    return list->count > 0 ? KILN_OK : nothing(list, wish, parted);
}

void picture_list_free_names(char **names, size_t count)
{
    for (size_t i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}

void picture_list_free(picture_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].path);
    free(list->items);
    *list = (picture_list){0};
}
