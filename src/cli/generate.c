/* kiln generate */
#include "base/clock.h"
#include "cli/session.h"
#include "train/training.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    const char *prompt;
    int64_t length, top_k;
    double temperature, top_p;
} given = {.length = 500, .temperature = 1};

#define AT(FIELD) offsetof(__typeof__(given), FIELD)

static const option options[] = {
    {"--prompt", OPTION_TEXT, AT(prompt), "TEXT", "what the text begins with (a line of its own)",
     0},
    {"--length", OPTION_WHOLE, AT(length), "N", "characters, or words, to write (500)", 1},
    {"--temperature", OPTION_REAL, AT(temperature), "X",
     "below 1 the likely is likelier; near 0 always the likeliest (1)", 0},
    {"--top-k", OPTION_WHOLE, AT(top_k), "K", "only of the K likeliest (all)", 1},
    {"--top-p", OPTION_REAL, AT(top_p), "P",
     "only of the fewest that have this probability together (all)", 0},
};

/* What is written, and when it was last shown. */
typedef struct shown {
    double begun, last;
    bool prompted;
    int64_t count;
} shown;

/* Behind the prompt, once it is known to be one. */
static void show_prompt(shown *s)
{
    if (given.prompt && !s->prompted)
        fputs(given.prompt, stdout);
    s->prompted = true;
}

/* As it comes, but not more often than a reader could tell. */
static int show(void *user, const char *words, size_t bytes)
{
    shown *s = user;
    double now = clock_seconds();
    if (s->count++ == 0)
        s->begun = now;
    show_prompt(s);
    fwrite(words, 1, bytes, stdout);
    if (now - s->last > 0.01) {
        fflush(stdout);
        s->last = now;
    }
    return ferror(stdout);
}

static kiln_status generate(const char *name, kiln_model **model, kiln_device **device)
{
    shown s = {0};
    KILN_TRY(session_start());
    if ((*model = session_model(name, NULL)) == NULL || (*device = session_device()) == NULL)
        return kiln_last_status();
    KILN_TRY(session_place(*model, *device));
    session_begin_training();
    char *out =
        kiln_generate(*model, .prompt = given.prompt, .length = given.length,
                      .temperature = given.temperature, .top_k = given.top_k, .top_p = given.top_p,
                      .seed = common.seed, .on_text = show, .user = &s);
    session_end_training();
    double seconds = clock_seconds() - s.begun;
    if (out)
        show_prompt(&s);
    if (s.count > 0 || (out && given.prompt))
        printf("\n");
    fflush(stdout);
    if (common.verbose > 1 && s.count > 1)
        fprintf(stderr, "%s a second\n", session_count((int64_t)((double)(s.count - 1) / seconds)));
    bool whole = out != NULL && kiln_last_status() == KILN_OK;
    free(out);
    return whole ? KILN_OK : kiln_last_status();
}

static int run(int count, char **words)
{
    int status = options_parse(&command_generate, &given, &count, words);
    if (status < 0 && given.top_p > 1)
        status =
            usage_error(&command_generate, "--top-p '%g': it takes a share up to 1", given.top_p);
    if (status < 0 && session_is_builtin(words[0]))
        status =
            usage_error(&command_generate,
                        "%s is a network that has learned nothing yet: train it with kiln fit %s "
                        "FILE.txt -o FILE.keras",
                        words[0], words[0]);
    if (status >= 0)
        return status;
    kiln_model *model = NULL;
    kiln_device *device = NULL;
    status = generate(words[0], &model, &device) == KILN_OK ? EXIT_DONE : cli_fail();
    kiln_model_free(model);
    kiln_device_close(device);
    return status;
}

const command command_generate = {
    .name = "generate",
    .arguments = "MODEL",
    .least_arguments = 1,
    .most_arguments = 1,
    .summary = "text, written by a model",
    .help = "Goes on from the prompt as a model that was trained on text would, character by\n"
            "character (or word by word), and shows them as they come. The same seed writes the\n"
            "same text. The recurrent layers carry their state, so a character takes as long as\n"
            "any other.",
    .example = "  kiln generate poet.keras --prompt \"ROMEO:\" --length 500 --temperature 0.8\n"
               "  kiln generate poet.keras --top-k 5 --seed 7",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .takes_common = true,
    .run = run,
};
