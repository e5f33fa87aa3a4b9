/* Folders and archives of pictures, CIFAR's files, and every way they can be wrong. */
#include "draw.h"
#include "support.h"

#include "data/dataset.h"
#include "data/pictures.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One file of a test's folder or archive; seed < 0: `text` instead of a drawing. */
typedef struct member {
    const char *path;
    int seed, width, height;
    const char *text;
} member;

static const member pets[] = {
    {"train/cat/b.png", 1, 6, 4, NULL},
    {"train/cat/a.PNG", 2, 6, 4, NULL},
    {"train/dog/1.png", 3, 6, 4, NULL},
    {"train/dog/more/2.png", 4, 6, 4, NULL},
    {"train/ant/x.png", 5, 6, 4, NULL},
    {"train/dog/notes.txt", -1, 0, 0, "no picture"},
    {"train/dog/.hidden.png", -1, 0, 0, "hidden"},
    {"test/dog/9.png", 6, 6, 4, NULL},
    {"test/cat/8.png", 7, 6, 4, NULL},
};
enum { PETS = sizeof pets / sizeof *pets };

static uint8_t *content(const member *m, size_t *size)
{
    if (m->seed >= 0)
        return draw_png(m->seed, m->width, m->height, 3, 8, false, size);
    *size = strlen(m->text);
    return (uint8_t *)strdup(m->text);
}

static void make_folders(char *path)
{
    for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
}

static void put_folder(const char *root, const member *members, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char path[512];
        size_t size;
        snprintf(path, sizeof path, "%s/%s", root, members[i].path);
        make_folders(path);
        if (members[i].path[strlen(members[i].path) - 1] == '/')
            continue;
        uint8_t *bytes = content(&members[i], &size);
        put_file(path, bytes, size);
        free(bytes);
    }
}

static void put_archive(const char *name, bool zip, bool gzip, const char *above,
                        const member *members, size_t count)
{
    struct archive *out = archive_write_new();
    if (zip)
        archive_write_set_format_zip(out);
    else
        archive_write_set_format_ustar(out);
    if (gzip)
        archive_write_add_filter_gzip(out);
    ck_assert_int_eq(archive_write_open_filename(out, name), ARCHIVE_OK);
    for (size_t k = 0; k < count; k++) {
        const member *m = &members[count - 1 - k]; /* not in order */
        char path[512];
        size_t size = 0;
        snprintf(path, sizeof path, "%s%s", above, m->path);
        bool folder = path[strlen(path) - 1] == '/';
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, path);
        archive_entry_set_filetype(entry, folder ? AE_IFDIR : AE_IFREG);
        archive_entry_set_perm(entry, 0755);
        uint8_t *bytes = folder ? NULL : content(m, &size);
        archive_entry_set_size(entry, (int64_t)size);
        ck_assert_int_eq(archive_write_header(out, entry), ARCHIVE_OK);
        if (size)
            ck_assert_int_eq(archive_write_data(out, bytes, size), (la_ssize_t)size);
        free(bytes);
        archive_entry_free(entry);
    }
    archive_write_close(out);
    archive_write_free(out);
}

static void expect_pixels(const kiln_dataset *data, int64_t sample, int seed, int width, int height)
{
    const uint8_t *row =
        (const uint8_t *)data->inputs[0].data + (size_t)sample * data_column_row(&data->inputs[0]);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint8_t rgba[4];
            draw_colour(seed, x, y, width, height, rgba);
            ck_assert_mem_eq(row + (y * width + x) * 3, rgba, 3);
        }
}

static void expect_pets(const char *source)
{
    static const char *const names[] = {"ant", "cat", "dog"};
    static const int seeds[] = {5, 2, 1, 3, 4}, labels[] = {0, 1, 1, 2, 2};
    kiln_dataset *train = kiln_dataset_open(source),
                 *test = kiln_dataset_open(source, .part = "test");
    ck_assert_str_eq(kiln_last_error(), "");
    ck_assert_int_eq(kiln_dataset_size(train), 5);
    ck_assert_int_eq(kiln_dataset_size(test), 2);
    ck_assert(kiln_dataset_scale(train) == 1.0);
    size_t count;
    const char *const *found = kiln_dataset_class_names(train, &count);
    ck_assert_uint_eq(count, 3);
    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(found[i], names[i]);
    ck_assert_int_eq(train->inputs[0].shape.rank, 3);
    ck_assert_int_eq(train->inputs[0].shape.dims[0], 4);
    ck_assert_int_eq(train->inputs[0].shape.dims[1], 6);
    ck_assert_int_eq(train->inputs[0].shape.dims[2], 3);
    ck_assert_int_eq(train->inputs[0].dtype, KILN_UINT8);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(((const int32_t *)train->targets[0].data)[i], labels[i]);
        expect_pixels(train, i, seeds[i], 6, 4);
    }
    kiln_dataset_class_names(test, &count);
    ck_assert_uint_eq(count, 3); /* ant has no picture there */
    ck_assert_int_eq(((const int32_t *)test->targets[0].data)[0], 1);
    ck_assert_int_eq(((const int32_t *)test->targets[0].data)[1], 2);
    expect_pixels(test, 0, 7, 6, 4);
    kiln_dataset_free(train);
    kiln_dataset_free(test);
}

START_TEST(folders_and_archives)
{
    put_folder("pets", pets, PETS);
    put_archive("pets.tar", false, false, "", pets, PETS);
    put_archive("pets.tar.gz", false, true, "./pets/", pets, PETS);
    put_archive("pets.zip", true, false, "pets/", pets, PETS);
    static const char *const sources[] = {"pets", "pets/", "pets.tar", "pets.tar.gz", "pets.zip"};
    for (picture_threads = 1; picture_threads <= 3; picture_threads++)
        for (size_t i = 0; i < 5; i++)
            expect_pets(sources[i]);
    picture_threads = 0;
    picture_rows_memory = 100; /* in a file of the cache */
    for (size_t i = 0; i < 5; i++)
        expect_pets(sources[i]);
    picture_rows_memory = 0;
}
END_TEST

/* Many of them, in an order that is not theirs. */
START_TEST(many)
{
    enum { MANY = 700 };
    static char paths[MANY][32];
    static member members[MANY];
    for (int i = 0; i < MANY; i++) {
        snprintf(paths[i], sizeof paths[i], "c%d/%03d.png", i % 3, (i * 131) % MANY);
        members[i] = (member){paths[i], (i * 131) % MANY % 7, 6, 4, NULL};
    }
    put_archive("many.tar", false, false, "", members, MANY);
    for (int spilled = 0; spilled < 2; spilled++) {
        picture_rows_memory = spilled ? 9000 : 0; /* it moves to a file on the way */
        kiln_dataset *data = kiln_dataset_open("many.tar");
        ck_assert_str_eq(kiln_last_error(), "");
        ck_assert_int_eq(kiln_dataset_size(data), MANY);
        int at = 0;
        for (int c = 0; c < 3; c++)
            for (int n = 0; n < MANY; n++) {
                int i = 0;
                while ((i * 131) % MANY != n)
                    i++;
                if (i % 3 != c)
                    continue;
                ck_assert_int_eq(((const int32_t *)data->targets[0].data)[at], c);
                expect_pixels(data, at++, n % 7, 6, 4);
            }
        kiln_dataset *first, *second;
        ck_assert_int_eq(dataset_validation_split(data, 0.2, 5, &first, &second), KILN_OK);
        ck_assert_int_eq(kiln_dataset_size(second), 140);
        int counts[3] = {0};
        for (int i = 0; i < 140; i++)
            counts[((const int32_t *)second->targets[0].data)[i]]++;
        ck_assert(counts[0] >= 46 && counts[1] >= 46 && counts[2] >= 46);
        kiln_dataset_free(first);
        kiln_dataset_free(second);
        kiln_dataset_free(data);
    }
    picture_rows_memory = 0;
}
END_TEST

static void expect_shape(const kiln_dataset *data, int rank, int64_t height, int64_t width,
                         int64_t channels)
{
    ck_assert_str_eq(kiln_last_error(), "");
    kiln_shape shape = data->inputs[0].shape;
    ck_assert_int_eq(shape.rank, rank);
    ck_assert_int_eq(shape.dims[0], height);
    ck_assert_int_eq(shape.dims[1], width);
    if (rank == 3)
        ck_assert_int_eq(shape.dims[2], channels);
}

START_TEST(sizes_and_modes)
{
    put_folder("pets", pets, PETS);
    kiln_dataset *d = kiln_dataset_open("pets", .image_size = {8, 5}, .color_mode = "grayscale");
    expect_shape(d, 3, 8, 5, 1);
    kiln_dataset_free(d);
    d = kiln_dataset_open("pets", .color_mode = "rgba");
    expect_shape(d, 3, 4, 6, 4);
    ck_assert_int_eq(((const uint8_t *)d->inputs[0].data)[3], 255);
    kiln_dataset_free(d);
    d = kiln_dataset_open("pets", .input_shape = KILN_SHAPE(7, 9));
    expect_shape(d, 2, 7, 9, 0);
    kiln_dataset_free(d);
    d = kiln_dataset_open("pets", .input_shape = KILN_SHAPE(7, 9, 1));
    expect_shape(d, 3, 7, 9, 1);
    kiln_dataset_free(d);
    d = kiln_image_dataset_from_directory("pets");
    expect_shape(d, 3, 256, 256, 3);
    kiln_dataset_free(d);
    d = kiln_image_dataset_from_directory("pets/train", .image_size = {3, 3}, .labels = KILN_NO);
    expect_shape(d, 3, 3, 3, 3);
    ck_assert_uint_eq(d->target_count, 0);
    kiln_dataset_free(d);
    kiln_dataset *parts[2];
    for (int i = 0; i < 2; i++)
        parts[i] =
            kiln_image_dataset_from_directory("pets", .image_size = {2, 2}, .validation_split = 0.4,
                                              .seed = 3, .subset = i ? "validation" : "training");
    ck_assert_int_eq(kiln_dataset_size(parts[0]), 3);
    ck_assert_int_eq(kiln_dataset_size(parts[1]), 2);
    kiln_dataset_free(parts[0]);
    kiln_dataset_free(parts[1]);
    const char *files[] = {"pets/test/dog/9.png", "pets/train/cat/a.PNG"};
    d = kiln_dataset_from_images(2, files, NULL);
    expect_shape(d, 3, 4, 6, 3);
    ck_assert_uint_eq(d->target_count, 0);
    expect_pixels(d, 0, 6, 6, 4);
    expect_pixels(d, 1, 2, 6, 4);
    ck_assert_str_eq(d->sample_names[1], files[1]);
    kiln_dataset_free(d);

    ck_assert_ptr_null(kiln_dataset_open("pets", .color_mode = "cmyk"));
    expect_error(KILN_ERROR_ARGUMENT,
                 "the color mode 'cmyk' is unknown; there are rgb, grayscale and "
                 "rgba");
    ck_assert_ptr_null(kiln_dataset_open("pets", .image_size = {8, 0}));
    expect_error(KILN_ERROR_ARGUMENT,
                 "the image size 8 x 0 is no height and width; correct the arguments");
    ck_assert_ptr_null(kiln_image_dataset_from_directory("pets", .label_mode = "categorical"));
    expect_error(KILN_ERROR_UNSUPPORTED, "image_dataset_from_directory: the label mode "
                                         "'categorical' is not there; use 'int'");
    ck_assert_ptr_null(kiln_image_dataset_from_directory("pets", .validation_split = 0.5));
    expect_error(KILN_ERROR_ARGUMENT, "image_dataset_from_directory: validation_split and subset "
                                      "belong together; give both or neither");
}
END_TEST

static void fails(const char *root, const member *members, size_t count, kiln_status code,
                  const char *message)
{
    put_folder(root, members, count);
    ck_assert_ptr_null(kiln_dataset_open(root, .has_labels = KILN_YES));
    expect_error(code, message);
}

START_TEST(bad_folders)
{
    fails("one", (member[]){{"cat/1.png", 1, 6, 4, NULL}}, 1, KILN_ERROR_FORMAT,
          "one: all pictures are of one class, 'cat'; a classifier needs a folder for each of two "
          "classes or more");
    fails("empty", (member[]){{"cat/1.png", 1, 6, 4, NULL}, {"dog/", -1, 0, 0, ""}}, 2,
          KILN_ERROR_FORMAT,
          "empty: the class 'dog' has no pictures; remove its folder or fill it");
    put_archive("empty.tar", false, false, "",
                (member[]){{"cat/1.png", 1, 6, 4, NULL}, {"dog/", -1, 0, 0, ""}}, 2);
    ck_assert_ptr_null(kiln_dataset_open("empty.tar"));
    expect_error(KILN_ERROR_FORMAT,
                 "empty.tar: the class 'dog' has no pictures; remove its folder or fill it");
    fails("none", (member[]){{"cat/1.gif", -1, 0, 0, "GIF89a"}}, 1, KILN_ERROR_FORMAT,
          "none: has no pictures; put .png, .jpg or .jpeg files into a folder for each class");
    fails(
        "loose", (member[]){{"1.png", 1, 6, 4, NULL}}, 1, KILN_ERROR_FORMAT,
        "loose: its pictures lie in no class folders; put those of each class into a folder of its "
        "name");
    fails("sizes", (member[]){{"cat/1.png", 1, 6, 4, NULL}, {"dog/2.png", 1, 5, 4, NULL}}, 2,
          KILN_ERROR_SHAPE,
          "sizes/dog/2.png: has 5 x 4 pixels, but those before it 6 x 4; say to which size all are "
          "brought: image_size, --image-size HEIGHTxWIDTH");
    fails("tests", (member[]){{"test/cat/1.png", 1, 6, 4, NULL}, {"test/dog/2.png", 1, 5, 4, NULL}},
          2, KILN_ERROR_FORMAT,
          "tests: has no pictures in train/, only in test/; correct the file, or get it again");
    static const char *const known[] = {"cat", "eel"};
    ck_assert_ptr_null(kiln_dataset_open("sizes", .class_count = 2, .class_names = known));
    expect_error(KILN_ERROR_FORMAT, "sizes: the class 'dog' is none of the 2 that are known (cat, "
                                    "eel); correct the file, or get it again");
    /* a model knows its classes: a folder with one of them is enough */
    static const char *const more[] = {"ant", "cat"};
    kiln_dataset *d = kiln_dataset_open("one", .class_count = 2, .class_names = more);
    ck_assert_int_eq(((const int32_t *)d->targets[0].data)[0], 1);
    kiln_dataset_free(d);
}
END_TEST

START_TEST(unreadable_files)
{
    static const member bad[] = {
        {"cat/1.png", -1, 0, 0, "no picture at all"},
        {"cat/2.png", 1, 6, 4, NULL},
        {"dog/1.png", 2, 6, 4, NULL},
        {"dog/2.jpg", -1, 0, 0, ""},
        {"dog/3.png", 3, 6, 4, NULL},
    };
    put_folder("bad", bad, 5);
    put_archive("bad.tar.gz", false, true, "", bad, 5);
    for (picture_threads = 1; picture_threads <= 2; picture_threads++) {
        ck_assert_ptr_null(kiln_dataset_open("bad", .image_size = {4, 6}));
        expect_error(
            KILN_ERROR_FORMAT,
            "bad: 2 pictures cannot be read, the first of them: bad/cat/1.png: is neither a "
            "PNG nor a JPEG file; repair or remove them, or leave them out: "
            "skip_unreadable, --skip-unreadable");
        ck_assert_ptr_null(kiln_dataset_open("bad.tar.gz", .image_size = {4, 6}));
        expect_error(KILN_ERROR_FORMAT,
                     "bad.tar.gz: 2 pictures cannot be read, the first of them: "
                     "bad.tar.gz(dog/2.jpg): is empty; repair or remove them, or leave them out: "
                     "skip_unreadable, --skip-unreadable");
        for (int archive = 0; archive < 2; archive++) {
            const char *why;
            kiln_dataset *d =
                kiln_dataset_open(archive ? "bad.tar.gz" : "bad", .skip_unreadable = KILN_YES);
            ck_assert_str_eq(kiln_last_error(), "");
            ck_assert_int_eq(kiln_dataset_size(d), 3);
            expect_pixels(d, 0, 1, 6, 4);
            expect_pixels(d, 1, 2, 6, 4);
            expect_pixels(d, 2, 3, 6, 4);
            ck_assert_int_eq(kiln_dataset_skipped(d, &why), 2);
            ck_assert_ptr_nonnull(strstr(why, "dog/2.jpg"));
            ck_assert_ptr_nonnull(strstr(why, "cat/1.png"));
            kiln_dataset_free(d);
        }
    }
    picture_threads = 0;
    put_folder("worst", bad, 1);
    ck_assert_ptr_null(kiln_dataset_open("worst/cat", .skip_unreadable = KILN_YES));
    expect_error(KILN_ERROR_FORMAT,
                 "worst/cat: none of its pictures can be read; correct the file, or get it again");
}
END_TEST

/* Every beginning of an archive gives pictures or one sentence. */
START_TEST(cut_archives)
{
    for (int kind = 0; kind < 3; kind++) {
        const char *name = kind == 0 ? "p.tar" : kind == 1 ? "p.tar.gz" : "p.zip";
        put_archive(name, kind == 2, kind == 1, "", pets, PETS);
        FILE *file = fopen(name, "rb");
        static uint8_t bytes[1 << 16];
        size_t size = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        pictures_request request = {.channels = 3};
        picture_threads = 1;
        for (size_t cut = 0; cut < size; cut += 37) {
            uint8_t *part = malloc(cut + 1);
            memcpy(part, bytes, cut);
            kiln_dataset *d = pictures_from_memory(part, cut, "cut", &request);
            ck_assert(d || *kiln_last_error());
            kiln_clear_error();
            kiln_dataset_free(d);
            free(part);
        }
        picture_threads = 0;
    }
}
END_TEST

/* 100 MB of zeros in 100 kB. */
START_TEST(bombs)
{
    struct archive *out = archive_write_new();
    archive_write_set_format_ustar(out);
    archive_write_add_filter_gzip(out);
    archive_write_open_filename(out, "bomb.tar.gz");
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, "cat/1.png");
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, 100 << 20);
    archive_write_header(out, entry);
    static uint8_t zeros[1 << 20];
    for (int i = 0; i < 100; i++)
        archive_write_data(out, zeros, sizeof zeros);
    archive_entry_free(entry);
    archive_write_close(out);
    archive_write_free(out);
    ck_assert_ptr_null(kiln_dataset_open("bomb.tar.gz"));
    expect_error(KILN_ERROR_FORMAT, "bomb.tar.gz: unpacks to more than 200 times its size; such an "
                                    "archive is not read");
}
END_TEST

static int stop(void *user, const char *source, int64_t done, int64_t total)
{
    int *calls = user;
    ck_assert_str_eq(source, "pets");
    ck_assert(done >= 1 && done <= total && total == 5);
    return ++*calls == 2;
}

START_TEST(progress_and_stop)
{
    int calls = 0;
    put_folder("pets", pets, PETS);
    kiln_set_reading_progress(stop, &calls);
    ck_assert_ptr_null(kiln_dataset_open("pets"));
    ck_assert_int_eq(kiln_last_status(), KILN_INTERRUPTED);
    kiln_clear_error();
    kiln_set_reading_progress(NULL, NULL);
    ck_assert_int_eq(calls, 2);
}
END_TEST

/* ---- CIFAR ---- */

static void put_batch(const char *path, int labels, int count, int first)
{
    size_t record = (size_t)labels + 3072;
    uint8_t *bytes = calloc((size_t)count, record);
    for (int i = 0; i < count; i++) {
        uint8_t *one = bytes + (size_t)i * record;
        one[0] = (uint8_t)((first + i) % (labels == 2 ? 20 : 10));
        one[labels - 1] = (uint8_t)((first + i) % (labels == 2 ? 100 : 10));
        for (int k = 0; k < 3072; k++)
            one[labels + k] = (uint8_t)(first + i + k / 1024 * 50 + k % 32);
    }
    put_file(path, bytes, (size_t)count * record);
    free(bytes);
}

static void expect_cifar(const kiln_dataset *d, int64_t samples, int first)
{
    ck_assert_str_eq(kiln_last_error(), "");
    ck_assert_int_eq(kiln_dataset_size(d), samples);
    expect_shape(d, 3, 32, 32, 3);
    for (int64_t i = 0; i < samples; i++) {
        const uint8_t *p = (const uint8_t *)d->inputs[0].data + i * 3072;
        for (int k = 0; k < 3072; k++)
            ck_assert_int_eq(p[k], (uint8_t)(first + i + k % 3 * 50 + k / 3 % 32));
    }
}

START_TEST(cifar)
{
    kiln_dataset *train, *test;
    size_t count;
    mkdir("ten", 0777);
    for (int i = 0; i < 5; i++) {
        char path[32];
        snprintf(path, sizeof path, "ten/data_batch_%d.bin", i + 1);
        put_batch(path, 1, 3, 3 * i);
    }
    put_batch("ten/test_batch.bin", 1, 4, 40);
    put_text("ten/batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n");
    ck_assert_int_eq(kiln_datasets_cifar10_load("ten", &train, &test), KILN_OK);
    expect_cifar(train, 15, 0);
    expect_cifar(test, 4, 40);
    ck_assert_int_eq(((const int32_t *)train->targets[0].data)[14], 4);
    ck_assert_str_eq(kiln_dataset_class_names(train, &count)[9], "j");
    ck_assert_uint_eq(count, 10);
    kiln_dataset_free(train);
    kiln_dataset_free(test);
    mkdir("in", 0777);
    ck_assert_int_eq(rename("ten", "in/cifar-10-batches-bin"), 0);
    train = kiln_dataset_open("in");
    expect_cifar(train, 15, 0);
    kiln_dataset_free(train);
    ck_assert_int_eq(system("tar czf ten.tar.gz -C in cifar-10-batches-bin"), 0);
    test = kiln_dataset_open("ten.tar.gz", .part = "test");
    expect_cifar(test, 4, 40);
    kiln_dataset_free(test);
    ck_assert_int_eq(truncate("in/cifar-10-batches-bin/data_batch_3.bin", 3074), 0);
    ck_assert_ptr_null(kiln_dataset_open("in"));
    expect_error(KILN_ERROR_FORMAT,
                 "in/cifar-10-batches-bin/data_batch_3.bin: has 3074 bytes, not a "
                 "multiple of the 3073 of one picture with its label; correct the "
                 "file, or get it again");
    put_batch("in/cifar-10-batches-bin/data_batch_3.bin", 1, 1, 0);
    FILE *file = fopen("in/cifar-10-batches-bin/data_batch_3.bin", "r+b");
    fputc(10, file);
    fclose(file);
    ck_assert_int_ne(kiln_datasets_cifar10_load("in", &train, NULL), KILN_OK);
    expect_error(KILN_ERROR_FORMAT, "in/cifar-10-batches-bin/data_batch_3.bin: picture 0 has the "
                                    "label 10 of 10 classes");
    unlink("in/cifar-10-batches-bin/data_batch_3.bin");
    ck_assert_int_ne(kiln_datasets_cifar10_load("in", &train, NULL), KILN_OK);
    expect_error(KILN_ERROR_FILE, "in: the binary file data_batch_3.bin is missing");

    mkdir("hundred", 0777);
    put_batch("hundred/train.bin", 2, 6, 37);
    put_batch("hundred/test.bin", 2, 2, 90);
    ck_assert_int_eq(kiln_datasets_cifar100_load("hundred", NULL, &train, &test), KILN_OK);
    expect_cifar(train, 6, 37);
    expect_cifar(test, 2, 90);
    ck_assert_int_eq(((const int32_t *)train->targets[0].data)[1], 38);
    kiln_dataset_free(train);
    kiln_dataset_free(test);
    ck_assert_int_eq(kiln_datasets_cifar100_load("hundred", "coarse", &train, NULL), KILN_OK);
    ck_assert_int_eq(((const int32_t *)train->targets[0].data)[1], 18);
    kiln_dataset_free(train);
    ck_assert_int_ne(kiln_datasets_cifar100_load("hundred", "rough", &train, NULL), KILN_OK);
    expect_error(KILN_ERROR_ARGUMENT,
                 "the label mode 'rough' is unknown; there are fine and coarse");
}
END_TEST

START_TEST(real_cifar)
{
    char *path = real_data("cifar10-jpg.tar.gz");
    if (path == NULL)
        return;
    kiln_dataset *test = kiln_dataset_open(path, .part = "test");
    ck_assert_int_eq(kiln_dataset_size(test), 10000);
    expect_shape(test, 3, 32, 32, 3);
    size_t count, each[10] = {0};
    ck_assert_str_eq(kiln_dataset_class_names(test, &count)[1], "automobile");
    ck_assert_uint_eq(count, 10);
    for (int i = 0; i < 10000; i++)
        each[((const int32_t *)test->targets[0].data)[i]]++;
    for (int i = 0; i < 10; i++)
        ck_assert_uint_eq(each[i], 1000);
    double sum = 0;
    for (size_t i = 0; i < (size_t)10000 * 3072; i++)
        sum += ((const uint8_t *)test->inputs[0].data)[i];
    ck_assert_double_eq_tol(sum / 30720000, 121.5, 1.0);
    kiln_dataset_free(test);
    free(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pictures");
    TCase *test = tcase_create("pictures");
    tcase_set_timeout(test, 120);
    tcase_add_unchecked_fixture(test, enter_folder, leave_folder);
    tcase_add_test(test, folders_and_archives);
    tcase_add_test(test, many);
    tcase_add_test(test, sizes_and_modes);
    tcase_add_test(test, bad_folders);
    tcase_add_test(test, unreadable_files);
    tcase_add_test(test, cut_archives);
    tcase_add_test(test, bombs);
    tcase_add_test(test, progress_and_stop);
    tcase_add_test(test, cifar);
    tcase_add_test(test, real_cifar);
    suite_add_tcase(suite, test);
    return run_suite(suite);
}
