#include "cli/tune.h"

#include "base/clock.h"
#include "base/process.h"
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Seconds a candidate may take: compiling, checking, timing. CLBlast compiles for longer. */
static double time_limit(double given, bool clblast)
{
    return given > 0 ? given : clblast ? 120 : 30;
}

/* ---- the child: one candidate beside the best so far, in one process ---- */

static int report(const candidate *challenger, const candidate *incumbent)
{
    return cli_print_json(json_pack(
        "{s:b, s:f, s:f, s:b, s:f, s:f}", "right", challenger->right, "seconds",
        challenger->seconds, "least", challenger->least, "incumbent_right",
        incumbent ? incumbent->right : 0, "incumbent_seconds", incumbent ? incumbent->seconds : 0.0,
        "incumbent_least", incumbent ? incumbent->least : 0.0));
}

int tune_child(char **words)
{
    candidate list[2] = {{0}};
    workload w;
    bool is_set = strncmp(words[3], "GEMMK", 5) == 0;
    if (!workload_read(words[2], &w) ||
        !(is_set ? candidate_read("clblast", &list[0]) : candidate_read(words[3], &list[0])) ||
        (words[4][0] && !candidate_read(words[4], &list[1])))
        return EXIT_USAGE;
    if (words[4][0]) { /* the incumbent first: what is right comes before what may not be */
        candidate c = list[0];
        list[0] = list[1];
        list[1] = c;
    }
    kiln_device *device = kiln_device_open(words[1]);
    int count = words[4][0] ? 2 : 1;
    kiln_status status = device ? KILN_OK : kiln_last_status();
    if (status == KILN_OK && is_set)
        status = clblast_use(device, words[3]);
    /* Half of the time for windows: what is very slow is timed in fewer. A driver's threads that slept
     * may share a processor for tens of milliseconds at first. */
    const measure_effort effort = {
        .certain = count,
        .windows = MEASURE_MOST_WINDOWS,
        .seconds = time_limit(0, is_set || list[0].engine == BLAS_CLBLAST) / 2,
        .warm_up = 0.1};
    if (status == KILN_OK)
        status = workload_measure(device, &w, list, count, effort);
    kiln_device_close(device);
    if (status != KILN_OK)
        return cli_fail();
    return report(&list[count - 1], count > 1 ? &list[0] : NULL);
}

/* ---- the search ---- */

bool tune_shows(void)
{
    return common.verbose > 0 && isatty(STDERR_FILENO);
}

static double share_of_time(const tune_search *s)
{
    double share = s->end > s->begun ? (clock_seconds() - s->begun) / (s->end - s->begun) : 1;
    return share < 1 ? share : 1;
}

/* The bar, and the best so far; speeds in GFLOP/s. */
static void show(const tune_search *s, double share, const char *of, double speed, double first)
{
    char bar[CLI_BAR];
    fprintf(stderr, "\r\033[K%s %s: %.1f GFLOP/s after %d tries (began with %.1f)", cli_bar(share, bar), of, speed,
            s->tried, first);
}

static void say(const tune_search *s)
{
    const workload *w = &s->list->items[s->number];
    if (!tune_shows() || s->first <= 0)
        return;
    show(s, (s->number + share_of_time(s)) / s->list->count, w->key,
         workload_flops(w) / s->first * s->gain * 1e-9, workload_flops(w) / s->first * 1e-9);
}

/* Runs this program for one candidate. Its results, or NULL: that candidate is none. */
static json_t *try_in_child(tune_search *s, const char *product, const char *what, const char *beside,
                            double limit)
{
    char *self = process_self();
    json_t *result = NULL;
    process_end end = {0};
    const char *words[] = {self, "tune", "--child", s->selector, product, what, beside, NULL};
    s->status = self ? process_run(words, limit, &end) : kiln_last_status();
    free(self);
    if (s->status == KILN_OK && end.code == 0 && !end.timed_out && !end.signal && end.out.data)
        result = json_loadb(end.out.data, end.out.length, 0, NULL);
    process_free(&end);
    if (result == NULL)
        s->failed++;
    else if (!json_is_true(json_object_get(result, "right")))
        s->wrong++;
    return result;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

/* What a child found out of a candidate and of the best so far. */
typedef struct verdict {
    bool right, known; /* known: so is the best */
    double seconds, least, its_seconds, its_least;
} verdict;

/* "tried PRODUCT with CANDIDATE": in the record while better ones are looked for, so that a tuning that was stopped does
 * not begin anew. */
enum { TRIED_TEXT = 2 * RECORD_TEXT };

static void tried_key(const workload *w, const char *name, char key[TRIED_TEXT])
{
    snprintf(key, TRIED_TEXT, "tried %s with %s", w->key, name);
}

static void keep_tried(const tune_search *s, const char *name, const verdict *v)
{
    char key[TRIED_TEXT], value[64];
    tried_key(&s->list->items[s->number], name, key);
    if (v->right && v->seconds > 0)
        snprintf(value, sizeof value, "%.2f of the best's speed", v->its_seconds / v->seconds);
    else
        snprintf(value, sizeof value, "wrong");
    record_keep(s->device, key, value);
}

static void forget_tried(const tune_search *s)
{
    char start[TRIED_TEXT];
    tried_key(&s->list->items[s->number], "", start);
    record_forget_all(s->device, start);
}

static bool is_known(tune_search *s, const char *name)
{
    char key[TRIED_TEXT], value[RECORD_TEXT];
    int i = 0;
    tried_key(&s->list->items[s->number], name, key);
    if (record_find(s->device, key, value))
        return true;
    while (i < TUNE_MOST_TRIED && s->names[i] && strcmp(s->names[i], name) != 0)
        i++;
    if (i == TUNE_MOST_TRIED || s->names[i])
        return true;
    s->names[i] = str_copy(name);
    return s->names[i] == NULL;
}

/* Medians and best windows both say that the candidate takes less time, as noise alone rarely does. */
static bool is_faster(const verdict *v)
{
    return v->right && v->seconds > 0 &&
           (!v->known || (v->seconds < 0.97 * v->its_seconds && v->least < 0.99 * v->its_least));
}

static verdict side_by_side(tune_search *s, const candidate *c, const candidate *beside)
{
    char name[RECORD_TEXT], other[RECORD_TEXT];
    candidate_write(c, name, sizeof name);
    candidate_write(beside, other, sizeof other);
    json_t *result = try_in_child(s, s->list->items[s->number].key, name, other,
                                  time_limit(s->limits.seconds, c->engine == BLAS_CLBLAST));
    verdict v = {.right = json_is_true(json_object_get(result, "right")),
                 .known = json_is_true(json_object_get(result, "incumbent_right")),
                 .seconds = number(result, "seconds"),
                 .least = number(result, "least"),
                 .its_seconds = number(result, "incumbent_seconds"),
                 .its_least = number(result, "incumbent_least")};
    json_decref(result);
    return v;
}

/* Is the candidate better than the best, and once more so? Then it becomes it. */
static bool beats(tune_search *s, const candidate *c)
{
    char name[RECORD_TEXT];
    candidate_write(c, name, sizeof name);
    if (is_known(s, name))
        return false;
    verdict v = side_by_side(s, c, &s->best);
    s->tried++;
    if (v.known && v.its_seconds > 0) {
        if (s->first <= 0)
            s->first = v.its_seconds;
        s->best.seconds = v.its_seconds;
        s->best.right = true;
    }
    bool better = is_faster(&v);
    if (better && v.known) {
        v = side_by_side(s, c, &s->best);
        better = is_faster(&v);
    }
    if (better) {
        s->gain *= v.known ? v.its_seconds / v.seconds : 1;
        s->best = *c;
        s->best.seconds = v.seconds;
        s->best.right = true;
    } else if (v.known) {
        keep_tried(s, name, &v);
    }
    say(s);
    return better;
}

/* The best beside what it began with: the gains of single steps add up their luck. What is no faster in the end
 * gives way again. */
static void settle(tune_search *s, const candidate *first)
{
    char best[RECORD_TEXT], name[RECORD_TEXT];
    candidate_write(&s->best, best, sizeof best);
    candidate_write(first, name, sizeof name);
    if (strcmp(best, name) == 0 || !s->best.right || s->first <= 0)
        return;
    verdict v = side_by_side(s, &s->best, first);
    if (!v.known || v.its_seconds <= 0)
        return;
    s->first = v.its_seconds;
    s->gain = v.right && v.seconds > 0 ? v.its_seconds / v.seconds : 0;
    if (s->gain > 1) {
        s->best.seconds = v.seconds;
        return;
    }
    s->gain = 1;
    s->best = *first;
    s->best.seconds = v.its_seconds;
    s->best.right = true;
}

static bool is_over(const tune_search *s)
{
    return clock_seconds() > s->end || (s->limits.tries >= 0 && s->tried >= s->limits.tries);
}

kiln_status tune_product(tune_search *s)
{
    const workload *w = &s->list->items[s->number];
    KILN_TRY(tune_incumbent(s->device, w, &s->best));
    const candidate first = s->best;
    candidate_write(&first, s->began, sizeof s->began);
    if (s->again)
        forget_tried(s);
    is_known(s, s->began);
    bool over = s->limits.tries == 0;
    /* On a CPU it compiles for seconds and is rarely faster. */
    if (!over && w->clblast && (s->limits.clblast || s->device->info.type != KILN_DEVICE_CPU)) {
        candidate c = {.engine = BLAS_CLBLAST};
        beats(s, &c);
        over = is_over(s);
    }
    for (bool moved = true; moved && !over && s->status == KILN_OK;) {
        candidate list[TUNE_NEIGHBOURS];
        int count = tune_neighbours(s->device, w, &s->best, list);
        moved = false;
        for (int i = 0; i < count && !moved && !over && s->status == KILN_OK; i++) {
            moved = beats(s, &list[i]);
            over = is_over(s);
        }
        if (moved)
            tune_keep(s->device, w, &s->best, false);
    }
    KILN_TRY(s->status);
    if (!over && s->tried == 0) { /* all had been tried before */
        verdict v = side_by_side(s, &s->best, &s->best);
        s->best.right = v.right;
        s->best.seconds = s->first = v.seconds;
    }
    settle(s, &first);
    KILN_TRY(s->status);
    if (s->best.right)
        tune_keep(s->device, w, &s->best, !over);
    if (!over)
        forget_tried(s);
    return KILN_OK;
}

/* Of the products to tune the one that takes longest, or one of middling size where CLBlast may do none of them. */
static blas_product heaviest_for_clblast(const tune_list *list)
{
    const workload *most = NULL;
    for (int i = 0; i < list->count; i++)
        if (list->items[i].clblast &&
            (most == NULL || product_flops(&list->items[i].product) > product_flops(&most->product)))
            most = &list->items[i];
    return most ? most->product : blas_plain(512, 512, 512, false, false);
}

static double speed_of(const blas_product *p, const candidate *c)
{
    return c && c->right ? product_flops(p) / c->seconds * 1e-9 : 0;
}

/* Each set's shortest time of several rounds, for the machine may be busy with other work during one. */
kiln_status tune_clblast(tune_search *s, char name[TUNE_NAME], double *before, double *after)
{
    enum { MOST_SETS = 15, ROUNDS = 3 };
    const blas_product p = heaviest_for_clblast(s->list);
    candidate list[1 + MOST_SETS] = {0}; /* without a set, as the database has it; then the sets */
    const candidate *best = NULL;
    char key[RECORD_TEXT];
    int count = 1;
    while (count <= MOST_SETS && clblast_set(s->device, count - 1))
        count++;
    product_write(&p, true, key);
    snprintf(name, TUNE_NAME, "CLBlast, %lldx%lldx%lld", (long long)p.m, (long long)p.n, (long long)p.k);
    *before = *after = 0;
    for (int turn = 0; turn < ROUNDS * count && s->status == KILN_OK; turn++) {
        candidate *c = &list[turn % count];
        if (turn && clock_seconds() > s->end)
            break;
        if (turn >= count && !c->right)
            continue;
        json_t *result = try_in_child(s, key, c == list ? "clblast" : clblast_set(s->device, (int)(c - list) - 1), "",
                                      time_limit(s->limits.seconds, true));
        double seconds = number(result, "least");
        c->right = json_is_true(json_object_get(result, "right")) && seconds > 0;
        json_decref(result);
        s->tried += turn < count;
        if (turn < count || seconds < c->seconds)
            c->seconds = seconds;
        KILN_TRY(candidates_best(s->device, &p, list, count, &best));
        *before = speed_of(&p, &list[0]);
        *after = speed_of(&p, best);
        if (tune_shows())
            show(s, share_of_time(s), name, *after, *before);
    }
    KILN_TRY(s->status);
    if (best && best != list)
        clblast_keep(s->device, clblast_set(s->device, (int)(best - list) - 1), &p, *after);
    return KILN_OK;
}
