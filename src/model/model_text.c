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
    free(rules->text_column);
    free(rules->label_column);
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

/* Copies a word that may be missing. */
static kiln_status copy_word(const char *from, char **to)
{
    *to = from ? str_copy(from) : NULL;
    return from && *to == NULL ? kiln_last_status() : KILN_OK;
}

kiln_status model_text_copy(const model_text *from, model_text *to)
{
    model_text made = {.length = from->length, .max_tokens = from->max_tokens};
    const char *const words[] = {from->task, from->standardize, from->split, from->text_column,
                                 from->label_column};
    char **const copies[] = {&made.task, &made.standardize, &made.split, &made.text_column,
                             &made.label_column};
    kiln_status status = KILN_OK;
    for (size_t i = 0; from->tokens && status == KILN_OK && i < sizeof words / sizeof *words; i++)
        status = copy_word(words[i], copies[i]);
    if (from->tokens && status == KILN_OK)
        status = model_text_set_tokens(&made, from->token_count, (const char *const *)from->tokens);
    if (status != KILN_OK) {
        model_text_free(&made);
        return status;
    }
    model_text_free(to);
    *to = made;
    return KILN_OK;
}
