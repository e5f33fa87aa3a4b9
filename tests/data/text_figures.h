/* Made by make_text.py with Keras 3.15.1. */
static const char *const texts[] = {
    "The quick brown fox; the lazy dog!",
    "Quick, quick: A FOX & a dog's tail.",
    "  tabs\011and\012lines  the end  ",
    "Gr\303\266\303\237e \303\204\303\226\303\234 stra\303\237e \303\261and\303\272 \342\200\224 \346\235\261\344\272\254 \346\235\261\344\272\254",
    "",
    "!!! ... \077\077\077",
    "don't re-use [UNK] tokens_here",
    "a b c a b a"};
static const char *const queries[] = {
    "the fox and the cat",
    "A dog, a FOX: a stra\303\237e!",
    "",
    "unseen words only\077 no: the end",
    "\346\235\261\344\272\254 tail"};
static const char *const vocabulary_0[] = {"", "[UNK]", "a", "the", "quick", "\346\235\261\344\272\254", "fox", "b", "\342\200\224", "\303\261and\303\272", "\303\204\303\226\303\234", "unk", "tokenshere", "tail", "tabs", "stra\303\237e", "reuse", "lines", "lazy", "gr\303\266\303\237e", "end", "dont", "dogs", "dog", "c", "brown", "and"};
static const int32_t numbers_0[] = {3, 6, 26, 3, 1, 0, 2, 23, 2, 6, 2, 15, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 3, 20, 5, 13, 0, 0, 0, 0};
static const char *const vocabulary_1[] = {"", "[UNK]", "a", "\346\235\261\344\272\254", "the", "b", "\342\200\224", "\303\261and\303\272", "\303\204\303\226\303\234", "tokens_here", "tail.", "tabs", "stra\303\237e", "re-use", "quick:", "quick", "lines", "lazy", "fox;", "end", "don't", "dog's", "dog!", "c", "brown", "and", "The", "Quick,", "Gr\303\266\303\237e", "FOX", "A", "\077\077\077", "...", "&", "!!!"};
static const int32_t numbers_1[] = {4, 1, 25, 4, 1, 0, 30, 1, 2, 1, 2, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 4, 19, 3, 1, 0, 0, 0, 0};
static const char *const vocabulary_2[] = {"", "[UNK]", "a", "the", "\346\235\261\344\272\254", "b", "\342\200\224", "\303\261and\303\272", "\303\204\303\226\303\234", "tokens_here", "tail.", "tabs", "stra\303\237e", "re-use", "quick:", "quick,", "quick", "lines", "lazy", "gr\303\266\303\237e", "fox;", "fox", "end", "don't", "dog's", "dog!", "c", "brown", "and", "[unk]", "\077\077\077", "...", "&", "!!!"};
static const int32_t numbers_2[] = {3, 21, 28, 3, 1, 0, 2, 1, 2, 1, 2, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 3, 22, 4, 1, 0, 0, 0, 0};
static const char *const vocabulary_3[] = {"", "[UNK]", "a", "\346\235\261\344\272\254", "the", "quick", "b", "\342\200\224", "\303\261and\303\272", "\303\204\303\226\303\234", "tokenshere", "tail", "tabs", "stra\303\237e", "reuse", "lines", "lazy", "fox", "end", "dont", "dogs", "dog", "c", "brown", "and", "UNK", "The", "Quick", "Gr\303\266\303\237e", "FOX", "A"};
static const int32_t numbers_3[] = {4, 17, 24, 4, 1, 0, 30, 21, 2, 29, 2, 13, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 4, 18, 3, 11, 0, 0, 0, 0};
static const char *const vocabulary_4[] = {"", "[UNK]", " ", "e", "a", "t", "n", "o", "s", "d", "u", "r", "k", "i", "h", "c", "b", "q", "l", "g", "\346\235\261", "\344\272\254", "\303\237", "x", "f", "\342\200\224", "\303\272", "\303\266", "\303\261", "\303\234", "\303\226", "\303\204", "z", "y", "w", "\012", "\011"};
static const int32_t numbers_4[] = {5, 14, 3, 2, 24, 7, 23, 2, 4, 6, 9, 2, 5, 14, 3, 2, 15, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 2, 9, 7, 19, 2, 4, 2, 24, 7, 23, 2, 4, 2, 8, 5, 11, 4, 22, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 6, 8, 3, 3, 6, 2, 34, 7, 11, 9, 8, 2, 7, 6, 18, 33, 2, 6, 7, 2, 5, 14, 3, 2, 3, 6, 9, 20, 21, 2, 5, 4, 13, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
static const char *const vocabulary_5[] = {"", "[UNK]", " ", "e", "a", "t", "n", "s", "o", "d", "r", "i", "u", "k", "h", "c", "b", ".", "!", "l", "\077", "\346\235\261", "\344\272\254", "\303\237", "q", "g", "'", "\342\200\224", "\303\272", "\303\266", "\303\261", "\303\234", "\303\226", "\303\204", "z", "y", "x", "w", "f", "_", "]", "[", "X", "U", "T", "Q", "O", "N", "K", "G", "F", "A", ";", ":", "-", ",", "&", "\012", "\011"};
static const int32_t numbers_5[] = {5, 14, 3, 2, 38, 8, 36, 51, 2, 9, 8, 25, 55, 2, 0, 0, 0, 0, 0, 0, 0, 12, 6, 7, 3, 3, 6, 2, 21, 22, 2, 5, 4, 11, 19};
static const char *const vocabulary_6[] = {"", "[UNK]", "the quick brown fox the lazy dog", "quick quick a fox  a dogs tail", "gr\303\266\303\237e \303\204\303\226\303\234 stra\303\237e \303\261and\303\272 \342\200\224 \346\235\261\344\272\254 \346\235\261\344\272\254", "dont reuse unk tokenshere", "a b c a b a", "  tabs\011and\012lines  the end  ", "  "};
static const int32_t numbers_6[] = {1, 1, 0, 1, 1};
static const char *const vocabulary_7[] = {"", "[UNK]", "a", "the", "quick"};
static const int32_t numbers_7[] = {3, 1, 1, 3, 1, 0, 2, 1, 2, 1, 2, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 3, 1, 1, 1, 0, 0, 0, 0};
static const char *const vocabulary_8[] = {"", "[UNK]", "a", "the", "quick", "\346\235\261\344\272\254", "fox", "b", "\342\200\224"};
static const int32_t numbers_8[] = {3, 6, 1, 3, 2, 1, 2, 6, 0, 0, 0, 0, 1, 1, 1, 1, 5, 1, 0, 0};
static const char *const vocabulary_9[] = {"", "[UNK]", "a", "the", "quick", "\346\235\261\344\272\254", "fox", "b", "\342\200\224", "\303\261and\303\272", "\303\204\303\226\303\234", "unk", "tokenshere", "tail", "tabs", "stra\303\237e", "reuse", "lines", "lazy", "gr\303\266\303\237e", "end", "dont", "dogs", "dog", "c", "brown", "and"};
static const int32_t numbers_9[] = {3, 6, 26, 3, 1, 0, 0, 0, 0, 0, 0, 0, 2, 23, 2, 6, 2, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 3, 20, 0, 0, 0, 0, 0, 0, 5, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
static const char *const vocabulary_10[] = {"", "[UNK]", "fox", "dog", "end"};
static const int32_t numbers_10[] = {1, 2, 1, 1, 1, 0, 1, 3, 1, 2, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 4, 1, 1, 0, 0, 0, 0};
static const char *const given_10[] = {"fox", "dog", "end"};
static const char *const vocabulary_11[] = {"", "[UNK]", "fox", "the"};
static const int32_t numbers_11[] = {3, 2, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0};
static const char *const given_11[] = {"", "[UNK]", "fox", "the"};
static const struct {
    kiln_text_vectorization_args args;
    size_t words;
    const char *const *vocabulary;
    int64_t length;
    const int32_t *numbers;
} settings[] = {
    {{0}, 27, vocabulary_0, 6, numbers_0},
    {{.standardize = "none"}, 35, vocabulary_1, 6, numbers_1},
    {{.standardize = "lower"}, 34, vocabulary_2, 6, numbers_2},
    {{.standardize = "strip_punctuation"}, 31, vocabulary_3, 6, numbers_3},
    {{.split = "character"}, 37, vocabulary_4, 28, numbers_4},
    {{.split = "character", .standardize = "none", .output_sequence_length = 7}, 59, vocabulary_5, 7, numbers_5},
    {{.split = "none"}, 9, vocabulary_6, 1, numbers_6},
    {{.max_tokens = 5}, 5, vocabulary_7, 6, numbers_7},
    {{.max_tokens = 9, .output_sequence_length = 4}, 9, vocabulary_8, 4, numbers_8},
    {{.output_sequence_length = 12}, 27, vocabulary_9, 12, numbers_9},
    {{.vocabulary = given_10, .vocabulary_count = 3}, 5, vocabulary_10, 6, numbers_10},
    {{.vocabulary = given_11, .vocabulary_count = 4, .output_sequence_length = 3}, 4, vocabulary_11, 3, numbers_11},
};
