/* CIFAR-10 and CIFAR-100 in their own binary files, in a folder or in the .tar.gz around it. */
#ifndef DATA_CIFAR_H
#define DATA_CIFAR_H

#include "data/pictures.h"

/* Does the folder (or cifar-10-batches-bin/ or cifar-100-binary/ in it) hold such files? */
bool cifar_is_folder(const char *path);

/* Is this member of an archive one of them? */
bool cifar_is_member(const char *path);

/* The training or test part, (32, 32, 3) unless the request wants another size or mode. NULL on
 * failure. */
kiln_dataset *cifar_open(const char *path, bool test, const pictures_request *request);

#endif
