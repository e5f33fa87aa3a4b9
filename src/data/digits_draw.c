/* Draws digits as a pen would: strokes through a few points, shaken, bent and slanted by random
 * amounts, then drawn with a round nib of varying width.
 *
 * Everything is fixed-point integer arithmetic. "Unit" numbers have 16 fractional bits and 1 is the
 * size of the glyph's box; pixel coordinates have 8. */
#include "base/philox.h"
#include "data/digits.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum {
    UNIT = 1 << 16,
    PIXEL = 1 << 8,
    POINTS = 16, /* of a stroke at most */
    STROKES = 2, /* of a glyph at most */
    STEPS = 6,   /* straight pieces between two points of a stroke */
};

typedef struct point {
    int32_t x, y;
} point;

/* Points in hundredths of the box, y down. A point given twice is a corner. */
typedef struct stroke {
    int count;
    int8_t at[POINTS][2];
} stroke;

typedef struct glyph {
    int strokes;
    stroke stroke[STROKES];
} glyph;

/* The ways to write each digit, with the number of ways. */
static const struct {
    int ways;
    glyph way[3];
} glyphs[10] = {
    {2,
     {{1,
       {{9,
         {{50, 4},
          {24, 14},
          {12, 50},
          {24, 86},
          {50, 96},
          {76, 86},
          {88, 50},
          {76, 14},
          {50, 4}}}}},
      {1,
       {{10,
         {{62, 10},
          {40, 5},
          {18, 30},
          {12, 60},
          {28, 92},
          {55, 96},
          {82, 70},
          {85, 35},
          {70, 12},
          {50, 9}}}}}}},
    {3,
     {{1, {{3, {{50, 4}, {50, 50}, {50, 96}}}}},
      {1, {{6, {{30, 28}, {42, 18}, {56, 4}, {56, 4}, {54, 50}, {53, 96}}}}},
      {2,
       {{6, {{32, 26}, {42, 18}, {54, 4}, {54, 4}, {53, 50}, {53, 95}}},
        {3, {{30, 95}, {53, 95}, {76, 94}}}}}}},
    {2,
     {{1,
       {{11,
         {{18, 28},
          {28, 10},
          {52, 4},
          {76, 16},
          {78, 36},
          {60, 60},
          {38, 78},
          {16, 94},
          {16, 94},
          {45, 94},
          {84, 92}}}}},
      {1,
       {{12,
         {{20, 25},
          {35, 7},
          {62, 6},
          {78, 24},
          {70, 48},
          {45, 75},
          {22, 92},
          {12, 86},
          {22, 76},
          {42, 84},
          {62, 95},
          {88, 88}}}}}}},
    {2,
     {{1,
       {{12,
         {{20, 14},
          {45, 4},
          {72, 12},
          {74, 32},
          {58, 45},
          {40, 48},
          {40, 48},
          {62, 50},
          {82, 66},
          {76, 86},
          {50, 97},
          {18, 88}}}}},
      {1,
       {{12,
         {{20, 6},
          {48, 6},
          {76, 6},
          {76, 6},
          {58, 26},
          {44, 42},
          {44, 42},
          {66, 44},
          {84, 64},
          {74, 88},
          {46, 96},
          {18, 86}}}}}}},
    {3,
     {{2,
       {{6, {{30, 5}, {24, 30}, {18, 56}, {18, 56}, {50, 57}, {86, 54}}},
        {3, {{68, 8}, {66, 50}, {64, 96}}}}},
      {2,
       {{6, {{64, 4}, {40, 30}, {12, 62}, {12, 62}, {50, 64}, {88, 62}}},
        {3, {{64, 4}, {64, 50}, {63, 96}}}}},
      {2,
       {{6, {{24, 8}, {20, 34}, {32, 54}, {56, 52}, {74, 34}, {76, 8}}},
        {3, {{76, 8}, {72, 50}, {66, 96}}}}}}},
    {2,
     {{1,
       {{13,
         {{78, 6},
          {52, 6},
          {28, 7},
          {28, 7},
          {25, 28},
          {22, 46},
          {22, 46},
          {45, 38},
          {70, 44},
          {80, 64},
          {70, 86},
          {46, 96},
          {16, 88}}}}},
      {2,
       {{9,
         {{30, 8}, {26, 28}, {24, 46}, {24, 46}, {50, 38}, {76, 52}, {76, 78}, {52, 96}, {18, 88}}},
        {3, {{30, 8}, {55, 7}, {82, 4}}}}}}},
    {2,
     {{1,
       {{11,
         {{68, 5},
          {44, 20},
          {26, 46},
          {18, 70},
          {28, 91},
          {52, 96},
          {76, 84},
          {78, 64},
          {60, 52},
          {38, 56},
          {22, 72}}}}},
      {1,
       {{10,
         {{50, 4},
          {30, 30},
          {18, 62},
          {26, 90},
          {50, 96},
          {74, 86},
          {78, 68},
          {62, 54},
          {40, 58},
          {24, 76}}}}}}},
    {3,
     {{1, {{7, {{14, 10}, {45, 9}, {84, 6}, {84, 6}, {66, 36}, {50, 66}, {40, 96}}}}},
      {2,
       {{7, {{14, 10}, {45, 9}, {84, 6}, {84, 6}, {66, 36}, {50, 66}, {40, 96}}},
        {3, {{30, 52}, {52, 50}, {74, 48}}}}},
      {1,
       {{9,
         {{16, 24},
          {16, 10},
          {16, 10},
          {50, 10},
          {82, 8},
          {82, 8},
          {62, 40},
          {52, 68},
          {48, 96}}}}}}},
    {2,
     {{1,
       {{13,
         {{70, 18},
          {50, 5},
          {28, 14},
          {28, 32},
          {50, 47},
          {74, 64},
          {74, 86},
          {50, 96},
          {26, 86},
          {26, 66},
          {50, 47},
          {72, 32},
          {70, 14}}}}},
      {2,
       {{7, {{50, 46}, {28, 34}, {28, 14}, {50, 4}, {72, 14}, {72, 34}, {50, 46}}},
        {7, {{50, 46}, {24, 58}, {20, 82}, {50, 96}, {80, 82}, {76, 58}, {50, 46}}}}}}},
    {2,
     {{1,
       {{10,
         {{76, 24},
          {58, 6},
          {32, 10},
          {20, 30},
          {34, 50},
          {58, 48},
          {74, 28},
          {74, 28},
          {72, 60},
          {66, 96}}}}},
      {1,
       {{11,
         {{74, 22},
          {52, 5},
          {28, 16},
          {24, 38},
          {42, 52},
          {64, 44},
          {76, 24},
          {78, 50},
          {68, 80},
          {44, 96},
          {24, 90}}}}}}},
};

/* Uniform in -most..most. */
static int32_t spread(philox_sequence *random, int32_t most)
{
    return (int32_t)((uint64_t)philox_word(random) * (uint32_t)(2 * most + 1) >> 32) - most;
}

/* Around 0, more often near it: the sum of two. */
static int32_t bell(philox_sequence *random, int32_t most)
{
    return (spread(random, most) + spread(random, most)) / 2;
}

static int32_t multiply(int32_t a, int32_t b)
{
    return (int32_t)((int64_t)a * b / UNIT);
}

/* One writer's hand on one digit. */
typedef struct hand {
    point bend[3][3];       /* how the box's corners, edges and middle are pulled, Bezier-wise */
    int32_t xx, xy, yx, yy; /* turned, slanted and scaled: unit to pixels (8 bits) */
    int32_t x, y;           /* the middle, pixels */
    int32_t shake;          /* of single points */
    int32_t radius;         /* of the nib, pixels */
    int32_t swell;          /* change of the radius along a stroke */
    int32_t ink;            /* 0..255 */
} hand;

static hand take_hand(philox_sequence *random)
{
    hand h;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            h.bend[i][k].x = bell(random, UNIT * 28 / 100);
            h.bend[i][k].y = bell(random, UNIT * 28 / 100);
        }
    /* sine and cosine of a small angle, rationally: no library function, no machine's own idea of
     * it */
    int32_t t = bell(random, UNIT * 18 / 100);
    int32_t whole = UNIT + multiply(t, t);
    int32_t cosine = (int32_t)((int64_t)(UNIT - multiply(t, t)) * UNIT / whole);
    int32_t sine = (int32_t)((int64_t)2 * t * UNIT / whole);
    int32_t slant = UNIT * 10 / 100 + bell(random, UNIT * 45 / 100);
    int32_t width = 3100 + bell(random, 1500); /* 12 pixels */
    int32_t height = 4850 + bell(random, 900);
    h.xx = multiply(cosine, width);
    h.yx = multiply(sine, width);
    h.xy = multiply(-sine - multiply(cosine, slant), height);
    h.yy = multiply(cosine - multiply(sine, slant), height);
    h.x = 14 * PIXEL + bell(random, 9 * PIXEL / 4);
    h.y = 14 * PIXEL + bell(random, 9 * PIXEL / 4);
    h.shake = UNIT * 6 / 100;
    h.radius = 280 + bell(random, 190);
    h.swell = bell(random, 70);
    h.ink = 255 - (int32_t)(philox_word(random) >> 26);
    return h;
}

/* Where a point of the box lands in the picture. */
static point place(const hand *h, point p)
{
    int32_t u[3], v[3], x = p.x - UNIT / 2, y = p.y - UNIT / 2;
    u[0] = multiply(UNIT - p.x, UNIT - p.x);
    u[1] = 2 * multiply(p.x, UNIT - p.x);
    u[2] = multiply(p.x, p.x);
    v[0] = multiply(UNIT - p.y, UNIT - p.y);
    v[1] = 2 * multiply(p.y, UNIT - p.y);
    v[2] = multiply(p.y, p.y);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++) {
            int32_t share = multiply(u[i], v[k]);
            x += multiply(share, h->bend[i][k].x);
            y += multiply(share, h->bend[i][k].y);
        }
    return (point){h->x + multiply(h->xx, x) + multiply(h->xy, y),
                   h->y + multiply(h->yx, x) + multiply(h->yy, y)};
}

static int32_t clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* Draws a straight piece with a nib of this radius. How dark a pixel is falls with the square of
 * its distance, from full at radius - 1/2 to nothing at radius + 1/2. */
static void draw_piece(uint8_t *picture, point a, point b, int32_t radius, int32_t ink)
{
    int32_t outer = radius + PIXEL / 2, inner = radius > PIXEL / 2 ? radius - PIXEL / 2 : 0;
    int32_t outer2 = outer * outer, ramp = outer2 - inner * inner;
    int32_t dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
    int32_t left = clamp(((a.x < b.x ? a.x : b.x) - outer) / PIXEL - 1, 0, DIGITS_SIDE);
    int32_t right = clamp(((a.x > b.x ? a.x : b.x) + outer) / PIXEL + 1, 0, DIGITS_SIDE);
    int32_t top = clamp(((a.y < b.y ? a.y : b.y) - outer) / PIXEL - 1, 0, DIGITS_SIDE);
    int32_t bottom = clamp(((a.y > b.y ? a.y : b.y) + outer) / PIXEL + 1, 0, DIGITS_SIDE);
    int64_t inverse = length2 > 0 ? ((int64_t)1 << 30) / length2 : 0;
    for (int32_t y = top; y < bottom; y++) {
        uint8_t *row = picture + y * DIGITS_SIDE;
        for (int32_t x = left; x < right; x++) {
            int32_t px = x * PIXEL + PIXEL / 2 - a.x, py = y * PIXEL + PIXEL / 2 - a.y;
            int32_t along = px * dx + py * dy, distance2;
            if (along > 0 && along < length2) {
                int64_t across = px * dy - py * dx;
                distance2 = (int32_t)(across * across * inverse >> 30);
            } else {
                if (along > 0) {
                    px -= dx;
                    py -= dy;
                }
                distance2 = px * px + py * py;
            }
            if (distance2 >= outer2)
                continue;
            int32_t share = clamp(outer2 - distance2, 0, ramp);
            int32_t value = (int32_t)((int64_t)share * ink / ramp);
            if (value > row[x])
                row[x] = (uint8_t)value;
        }
    }
}

/* A point on the curve through p[1] and p[2] (Catmull and Rom's), step/STEPS of the way. */
static point between(const point *p, int step)
{
    const int64_t n = STEPS, t = step;
    const int64_t c0 = -t * n * n + 2 * t * t * n - t * t * t,
                  c1 = 2 * n * n * n - 5 * t * t * n + 3 * t * t * t;
    const int64_t c2 = t * n * n + 4 * t * t * n - 3 * t * t * t, c3 = -t * t * n + t * t * t,
                  whole = 2 * n * n * n;
    return (point){(int32_t)((c0 * p[0].x + c1 * p[1].x + c2 * p[2].x + c3 * p[3].x) / whole),
                   (int32_t)((c0 * p[0].y + c1 * p[1].y + c2 * p[2].y + c3 * p[3].y) / whole)};
}

static void draw_stroke(uint8_t *picture, const stroke *s, const hand *h, philox_sequence *random)
{
    point p[POINTS + 2]; /* the ends twice */
    for (int i = 0; i < s->count; i++) {
        bool corner = i > 0 && s->at[i][0] == s->at[i - 1][0] && s->at[i][1] == s->at[i - 1][1];
        p[i + 1] = corner ? p[i]
                          : (point){s->at[i][0] * (UNIT / 100) + bell(random, h->shake),
                                    s->at[i][1] * (UNIT / 100) + bell(random, h->shake)};
    }
    p[0] = p[1];
    p[s->count + 1] = p[s->count];
    int pieces = (s->count - 1) * STEPS;
    point last = place(h, p[1]);
    for (int i = 0; i + 1 < s->count; i++) {
        if (p[i + 1].x == p[i + 2].x && p[i + 1].y == p[i + 2].y)
            continue;
        for (int step = 1; step <= STEPS; step++) {
            point next = place(h, between(p + i, step));
            int32_t along = 2 * (i * STEPS + step) - pieces; /* -pieces..pieces */
            draw_piece(picture, last, next, clamp(h->radius + h->swell * along / pieces, 90, 600),
                       h->ink);
            last = next;
        }
    }
}

/* Paper and pen are not even: each inked pixel loses a little, and there may be specks. */
static void add_noise(uint8_t *picture, philox_sequence *random)
{
    uint32_t word = 0;
    int left = 0;
    for (int i = 0; i < DIGITS_PIXELS; i++) {
        if (picture[i] == 0)
            continue;
        if (left == 0) {
            word = philox_word(random);
            left = 4;
        }
        int loss = (int)(word & 255) * picture[i] >> 11; /* up to an eighth */
        picture[i] = (uint8_t)(picture[i] - loss);
        word >>= 8;
        left--;
    }
    uint32_t specks = philox_word(random) >> 29;
    for (uint32_t i = 0; i < specks; i++) {
        uint32_t at = philox_word(random), place_at = (at >> 16) * DIGITS_PIXELS >> 16;
        uint32_t sum = picture[place_at] + (at & 127);
        picture[place_at] = (uint8_t)(sum > 255 ? 255 : sum);
    }
}

int digits_draw(uint32_t number, uint8_t picture[DIGITS_PIXELS])
{
    philox_sequence random = philox_start(0x6b696c6e64696769u, number); /* "kilndigi" */
    int label = (int)((uint64_t)philox_word(&random) * 10 >> 32);
    int way = (int)((uint64_t)philox_word(&random) * (uint32_t)glyphs[label].ways >> 32);
    const glyph *g = &glyphs[label].way[way];
    hand h = take_hand(&random);
    memset(picture, 0, DIGITS_PIXELS);
    for (int i = 0; i < g->strokes; i++)
        draw_stroke(picture, &g->stroke[i], &h, &random);
    add_noise(picture, &random);
    return label;
}

typedef struct range {
    uint32_t first, count;
    uint8_t *pictures, *labels;
} range;

static void *draw_range(void *user)
{
    const range *r = user;
    for (uint32_t i = 0; i < r->count; i++)
        r->labels[i] = (uint8_t)digits_draw(r->first + i, r->pictures + (size_t)i * DIGITS_PIXELS);
    return NULL;
}

void digits_draw_all(uint32_t first, uint32_t count, uint8_t *pictures, uint8_t *labels)
{
    pthread_t thread;
    uint32_t half = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? count / 2 : 0;
    range a = {first, half, pictures, labels};
    range b = {first + half, count - half, pictures + (size_t)half * DIGITS_PIXELS, labels + half};
    bool threaded = half > 0 && pthread_create(&thread, NULL, draw_range, &a) == 0;
    draw_range(&b);
    if (threaded)
        pthread_join(thread, NULL);
    else
        draw_range(&a);
}
