#include "device/source.h"

#include "device/device.h"

#include <string.h>

const char *source_find(const char *file)
{
    for (size_t i = 0; i < embedded_source_count; i++)
        if (strcmp(embedded_sources[i].file, file) == 0)
            return embedded_sources[i].text;
    return NULL;
}

kiln_status source_file(text *source, const char *file)
{
    const char *content = source_find(file);
    if (content == NULL)
        return kiln_fail(KILN_ERROR_BUILD, "there is no kernel file %s in this build of Kiln",
                         file);
    text_add(source, "#line 1 \"%s\"\n", file);
    text_bytes(source, content, strlen(content));
    text_add(source, "#line 1 \"generated\"\n");
    return source->failed ? kiln_last_status() : KILN_OK;
}
