/* MNIST, besides the public kiln_datasets_mnist_load. */
#ifndef DATA_MNIST_H
#define DATA_MNIST_H

#include <stdbool.h>

/* Are all its files in $KILN_DATA_DIR or in the cache, so that nothing would be downloaded? */
bool mnist_at_hand(void);

#endif
