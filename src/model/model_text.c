#include "model/model_text.h"

#include <string.h>

static void free_tokens(model_text *rules)
{
    for (size_t i = 0; i < rules->token_count; i++)
        free(rules->tokens[i]);
    free(rules->tokens);
    rules->tokens = NULL;
    rules->token_count = 0;
}

void model_text_free(model_text *rules)
{
    free_tokens(rules);
    free(rules->task);
    free(rules->standardize);
    free(rules->split);
    *rules = (model_text){0};
}

bool model_text_reserves(const model_text *rules)
{
    return rules->token_count >= 2 && rules->tokens[0][0] == '\0' &&
           strcmp(rules->tokens[1], "[UNK]") == 0;
}

kiln_status model_text_set_tokens(model_text *rules, size_t count, const char *const *tokens)
{
    model_text made = {.tokens = mem_new(count ? count : 1, sizeof *made.tokens)};
    kiln_status status = made.tokens ? KILN_OK : kiln_last_status();
    for (size_t i = 0; i < count && status == KILN_OK; i++) {
        made.tokens[i] = str_copy(tokens[i]);
        if (made.tokens[i])
            made.token_count++;
        else
            status = kiln_last_status();
    }
    if (status != KILN_OK) {
        free_tokens(&made);
        return status;
    }
    free_tokens(rules);
    rules->tokens = made.tokens;
    rules->token_count = made.token_count;
    return KILN_OK;
}

kiln_status model_text_copy(const model_text *from, model_text *to)
{
    model_text made = {.length = from->length};
    kiln_status status = KILN_OK;
    if (from->tokens) {
        made.task = str_copy(from->task);
        made.standardize = str_copy(from->standardize);
        made.split = str_copy(from->split);
        status =
            made.task && made.standardize && made.split
                ? model_text_set_tokens(&made, from->token_count, (const char *const *)from->tokens)
                : kiln_last_status();
    }
    if (status != KILN_OK) {
        model_text_free(&made);
        return status;
    }
    model_text_free(to);
    *to = made;
    return KILN_OK;
}
