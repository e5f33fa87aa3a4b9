/* Writing HDF5 files with libhdf5, in memory. */
#include "format/hdf5_file.h"

#include <hdf5.h>
#include <pthread.h>
#include <string.h>

/* libhdf5 may have been built without locks of its own. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static kiln_status fail_write(const char *what)
{
    return kiln_fail(KILN_ERROR_MEMORY,
                     "%s cannot be put into an HDF5 file in memory; close other "
                     "programs",
                     what);
}

/* What new files are made with. */
typedef struct lists {
    hid_t access, links, data;
} lists;

static kiln_status add_array(hid_t file, const lists *l, const data_array *array)
{
    hsize_t dims[DATA_MAX_RANK];
    hid_t type = array->dtype == KILN_FLOAT32 ? H5T_NATIVE_FLOAT
                 : array->dtype == KILN_INT32 ? H5T_NATIVE_INT32
                                              : H5T_NATIVE_INT64;
    hid_t stored = array->dtype == KILN_FLOAT32 ? H5T_IEEE_F32LE
                   : array->dtype == KILN_INT32 ? H5T_STD_I32LE
                                                : H5T_STD_I64LE;
    for (int i = 0; i < array->rank; i++)
        dims[i] = (hsize_t)array->dims[i];
    hid_t space = array->rank ? H5Screate_simple(array->rank, dims, NULL) : H5Screate(H5S_SCALAR);
    hid_t data = space < 0
                     ? -1
                     : H5Dcreate2(file, array->name, stored, space, l->links, l->data, H5P_DEFAULT);
    herr_t written =
        data < 0 ? -1 : H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, array->data);
    if (data >= 0)
        H5Dclose(data);
    if (space >= 0)
        H5Sclose(space);
    return written < 0 ? fail_write(array->name) : KILN_OK;
}

/* As h5py writes a text: UTF-8 of variable length. */
static kiln_status add_attribute(hid_t file, const lists *l, const hdf5_text *t)
{
    hid_t object = -1, type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR), attribute = -1;
    herr_t written = -1;
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    if (*t->path == '\0') {
        object = H5Oopen(file, "/", H5P_DEFAULT);
    } else {
        object = H5Oopen(file, t->path, H5P_DEFAULT);
        if (object < 0)
            object = H5Gcreate2(file, t->path, l->links, H5P_DEFAULT, H5P_DEFAULT);
    }
    if (object >= 0)
        attribute = H5Acreate2(object, t->name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute >= 0)
        written = H5Awrite(attribute, type, &t->values[0]);
    if (attribute >= 0)
        H5Aclose(attribute);
    if (object >= 0)
        H5Oclose(object);
    H5Sclose(space);
    H5Tclose(type);
    return written < 0 ? fail_write(t->path) : KILN_OK;
}

/* The open file's bytes. */
static kiln_status take_image(hid_t file, void **bytes, size_t *size)
{
    ssize_t need = H5Fflush(file, H5F_SCOPE_GLOBAL) < 0 ? -1 : H5Fget_file_image(file, NULL, 0);
    if (need <= 0)
        return fail_write("the file");
    *bytes = mem_new((size_t)need, 1);
    if (*bytes == NULL)
        return KILN_ERROR_MEMORY;
    *size = (size_t)need;
    if (H5Fget_file_image(file, *bytes, *size) == need)
        return KILN_OK;
    free(*bytes);
    *bytes = NULL;
    return fail_write("the file");
}

static kiln_status write_file(const hdf5_contents *contents, void **bytes, size_t *size)
{
    lists l = {H5Pcreate(H5P_FILE_ACCESS), H5Pcreate(H5P_LINK_CREATE),
               H5Pcreate(H5P_DATASET_CREATE)};
    kiln_status status = KILN_OK;
    H5Pset_fapl_core(l.access, (size_t)1 << 20, 0);
    H5Pset_create_intermediate_group(l.links, 1);
    H5Pset_obj_track_times(l.data, 0); /* the same model gives the same bytes */
    hid_t file = H5Fcreate("kiln", H5F_ACC_TRUNC, H5P_DEFAULT, l.access);
    if (file < 0)
        status = fail_write("the file");
    for (size_t i = 0; i < contents->arrays.count && status == KILN_OK; i++)
        status = add_array(file, &l, &contents->arrays.items[i]);
    for (size_t i = 0; i < contents->attributes.count && status == KILN_OK; i++)
        status = add_attribute(file, &l, &contents->attributes.items[i]);
    if (status == KILN_OK)
        status = take_image(file, bytes, size);
    if (file >= 0)
        H5Fclose(file);
    H5Pclose(l.data);
    H5Pclose(l.links);
    H5Pclose(l.access);
    return status;
}

kiln_status hdf5_write(const hdf5_contents *contents, void **bytes, size_t *size)
{
    H5E_auto2_t print;
    void *print_data;
    *bytes = NULL;
    *size = 0;
    pthread_mutex_lock(&lock);
    /* A program that uses libhdf5 itself keeps its own ways. */
    H5Eget_auto2(H5E_DEFAULT, &print, &print_data);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    kiln_status status = write_file(contents, bytes, size);
    H5Eset_auto2(H5E_DEFAULT, print, print_data);
    pthread_mutex_unlock(&lock);
    return status;
}
