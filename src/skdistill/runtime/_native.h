/* From the bytes of a text to class scores, without Python. `_native.c` calls this.

A text passes through five steps, each of which handles a block of texts at a time, so that
whatever one step leaves for the next is still in the processor's cache:

1. `cut_ascii` or `cut_utf8` copies the text, lower-cased, and finds the start and end of each token:
   a word, or a single mark such as a comma.
2. `look_up` turns tokens into ids. Id 0 is for all unknown words.
3. `window_scores` sums, for each token, one number of every token in the window around it, and
   `exp_all` turns the sums into attention weights. Models without attention skip this step.
4. `pool` takes the mean, the weighted mean or the maximum of the tokens' table rows, or of the
   outputs of a convolution: sums of such rows over a window, with negative sums set to 0.
5. `dense` multiplies by matrices where a model has any, and `to_probabilities` ends the work.

A text's scores never depend on its neighbours: each text begins at a place divisible by 4, with at
least half a window of zero rows on both sides, and every sum has the same order everywhere. Compile
with -ffp-contract=off, because fused operations round differently. */
#ifndef SKDISTILL_NATIVE_H
#define SKDISTILL_NATIVE_H
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if SIZE_MAX < UINT64_MAX
#error "Sizes of hostile files wrap in fewer than 64 bits; NumPy predicts there."
#endif

/* Define PLAIN_C to use the portable branches everywhere; they give the same bits. */
#if !defined(PLAIN_C) && defined(__GNUC__)
#define HAVE_VECTORS 1
#endif
#if !defined(PLAIN_C) && (defined(__SSE2__) || defined(_M_X64))
#define HAVE_SSE2 1
#include <emmintrin.h>
#endif
#if defined(__GNUC__)
#define PREFETCH(address) __builtin_prefetch(address)
#define ALWAYS_INLINE inline __attribute__((always_inline))
static ALWAYS_INLINE uint32_t lowest_bit(uint64_t bits) { return (uint32_t)__builtin_ctzll(bits); }
#else /* MSVC */
#include <intrin.h>
#define PREFETCH(address) ((void)0)
#define ALWAYS_INLINE __forceinline
static ALWAYS_INLINE uint32_t lowest_bit(uint64_t bits) {
    unsigned long place;
    _BitScanForward64(&place, bits);
    return place;
}
#endif

enum { UNSEEN, MARK, WORD, BLANK };        /* kinds of characters */
enum { MEAN, MAX, ATTENTION, LAYER };      /* steps of a network */
enum {
    BLOCK_TEXTS = 64,   /* texts that are processed together, */
    BLOCK_BYTES = 8192, /* and bytes, unless a single text is longer */
    SPARE = 64,         /* bytes or places behind an array that may be touched, but never count */
    MAX_CHAIN = 16,     /* words with the same place in `heads` */
    MAX_DRAWS = 20,     /* hash functions to try */
    PIECE = 512,        /* rows that are summed in float; sums of pieces are added in double */
    SHORT = 8           /* bytes of a word that fits into one integer */
};
#define MAX_TEXT_BYTES ((size_t)1 << 30)

/* ---- Four floats at a time. Each operation rounds as its four scalar ones do. */

#ifdef HAVE_VECTORS
typedef float float4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t int4 __attribute__((vector_size(16)));
static ALWAYS_INLINE float4 load4(const float *from) { return *(const float4 *)from; }
static ALWAYS_INLINE void store4(float *to, float4 a) { *(float4 *)to = a; }
static ALWAYS_INLINE float4 fill4(float x) { return (float4){x, x, x, x}; }
static ALWAYS_INLINE float4 add4(float4 a, float4 b) { return a + b; }
static ALWAYS_INLINE float4 times4(float4 a, float4 b) { return a * b; }
static ALWAYS_INLINE float4 max4(float4 a, float4 b) {
#ifdef HAVE_SSE2
    return (float4)_mm_max_ps((__m128)a, (__m128)b);
#else
    int4 larger = (int4)(a > b);
    return (float4)((larger & (int4)a) | (~larger & (int4)b));
#endif
}
#else
typedef struct { float at[4]; } float4;
#define EACH4(expression) \
    float4 c; \
    for (int i = 0; i < 4; i++) c.at[i] = (expression); \
    return c
static ALWAYS_INLINE float4 load4(const float *from) { EACH4(from[i]); }
static ALWAYS_INLINE void store4(float *to, float4 a) { memcpy(to, a.at, sizeof a.at); }
static ALWAYS_INLINE float4 fill4(float x) { EACH4(x); }
static ALWAYS_INLINE float4 add4(float4 a, float4 b) { EACH4(a.at[i] + b.at[i]); }
static ALWAYS_INLINE float4 times4(float4 a, float4 b) { EACH4(a.at[i] * b.at[i]); }
static ALWAYS_INLINE float4 max4(float4 a, float4 b) { EACH4(a.at[i] > b.at[i] ? a.at[i] : b.at[i]); }
#endif

/* ---- Words and their ids */

typedef struct {
    uint64_t key;   /* a short word's bytes, or a long word's hash */
    uint32_t next;  /* the next word with the same place in `heads`, or 0 */
    uint32_t start; /* where the word begins in `bytes` */
} Entry;

typedef struct {
    uint64_t masks[SHORT + 1]; /* masks[n] keeps the first n bytes of an integer in memory */
    uint64_t multiplier;       /* odd and drawn at random, so that no file can plan collisions */
    int lowercase, shift;      /* 64 minus the bits of a place in `heads` */
    uint32_t n_words;
    /* Of all 0x110000 code points, most UNSEEN. Python writes here while other threads read, but
       they read the kinds of known characters only, which at most are written again, unchanged. */
    const uint8_t *kinds;
    const uint8_t *bytes;      /* the words, one behind the other, and SPARE bytes */
    Entry *entries;            /* by id, and one more; entry 0, of unknown words, has key 0 */
    uint32_t *heads[2];        /* by hash, of short and of long words: an id, or 0 */
} Words;

static ALWAYS_INLINE uint64_t load64(const uint8_t *bytes) {
    uint64_t value;
    memcpy(&value, bytes, 8);
    return value;
}

/* The next number of splitmix64 (Steele et al., 2014). */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* Hash a word of more than SHORT bytes. Reads up to 7 bytes beyond it. No odd multiplier
   touches a change of bit 63, which the next bytes could undo, hence a product of swapped halves, too. */
static uint64_t hash_long(const Words *words, const uint8_t *word, size_t n) {
    uint64_t hash = n;
    for (; n > SHORT; n -= SHORT, word += SHORT) {
        hash = (hash ^ load64(word)) * words->multiplier;
        hash = (hash >> 32 | hash << 32) * words->multiplier;
    }
    return (hash ^ (load64(word) & words->masks[n])) * words->multiplier;
}

static ALWAYS_INLINE uint64_t place_of(const Words *words, uint64_t key) {
    return (key * words->multiplier) >> words->shift;
}

/* Return whether an entry's word is the one of n bytes. Reads up to 7 bytes beyond both. */
static ALWAYS_INLINE int is_word(const Words *words, const Entry *entry, const uint8_t *word, size_t n) {
    const uint8_t *known = words->bytes + entry->start;
    if (entry[1].start - entry->start != n)
        return 0;
    for (; n > SHORT; n -= SHORT, known += SHORT, word += SHORT)
        if (load64(known) != load64(word))
            return 0;
    return ((load64(known) ^ load64(word)) & words->masks[n]) == 0;
}

/* Find the id of a word of n bytes, or 0. Reads up to 7 bytes beyond it. Chains have at most
   MAX_CHAIN words, so hostile texts cannot make this slow. */
static uint32_t find(const Words *words, const uint8_t *word, size_t n) {
    int is_long = n > SHORT;
    uint64_t key = is_long ? hash_long(words, word, n) : load64(word) & words->masks[n];
    uint32_t id = words->heads[is_long][place_of(words, key)];
    for (; id; id = words->entries[id].next) {
        const Entry *entry = &words->entries[id];
        if (entry->key == key && (!is_long || is_word(words, entry, word, n)))
            break;
    }
    return id;
}

/* Put the words, whose `start` is known, into chains. Returns 0 if one gets too long. */
static int make_chains(Words *words) {
    for (int i = 0; i < 2; i++)
        memset(words->heads[i], 0, sizeof(uint32_t) << (64 - words->shift));
    /* Backwards, because the first words are often the most frequent, and come first in chains. */
    for (uint32_t id = words->n_words; id; id--) {
        Entry *entry = &words->entries[id];
        const uint8_t *word = words->bytes + entry->start;
        size_t n = entry[1].start - entry->start;
        if (!n || memchr(word, 0, n)) /* no token is empty or contains NUL */
            continue;
        int is_long = n > SHORT, length = 1;
        entry->key = is_long ? hash_long(words, word, n) : load64(word) & words->masks[n];
        uint32_t *head = &words->heads[is_long][place_of(words, entry->key)];
        for (uint32_t other = *head; other; other = words->entries[other].next)
            length++;
        if (length > MAX_CHAIN)
            return 0;
        entry->next = *head;
        *head = id;
    }
    return 1;
}

/* Prepare look-ups of words. `seed` comes from the operating system, so that no author of words can
   know it. Returns 0 if no hash function spreads them, or -1 if memory is short. */
static int index_words(Words *words, uint64_t seed) {
    for (int n = 1; n <= SHORT; n++)
        memset(&words->masks[n], 255, n);
    for (words->shift = 58; (uint64_t)1 << (64 - words->shift) < 4 * (uint64_t)words->n_words;)
        words->shift--;
    for (int i = 0; i < 2; i++)
        if (!(words->heads[i] = malloc(sizeof(uint32_t) << (64 - words->shift))))
            return -1;
    for (int draw = 0; draw < MAX_DRAWS; draw++) {
        words->multiplier = next_random(&seed) | 1;
        if (make_chains(words))
            return 1;
    }
    return 0;
}

/* ---- Step 1: from bytes to tokens */

/* Lower-case 64 ASCII bytes, and set a bit for each byte of a word, and for each mark. */
static ALWAYS_INLINE void classify64(
    const Words *words, const uint8_t *bytes, uint8_t *lowered, uint64_t *in_word, uint64_t *is_mark
) {
    uint64_t word_bits = 0, mark_bits = 0;
#ifdef HAVE_SSE2
/* Comparisons are signed, which is right below 128, where all of ASCII is. */
#define BETWEEN(x, low, high) \
    _mm_and_si128(_mm_cmpgt_epi8(x, _mm_set1_epi8((low) - 1)), _mm_cmplt_epi8(x, _mm_set1_epi8((high) + 1)))
    for (int i = 0; i < 64; i += 16) {
        __m128i c = _mm_loadu_si128((const __m128i *)(bytes + i));
        __m128i capital = _mm_and_si128(BETWEEN(c, 'A', 'Z'), _mm_set1_epi8(32));
        __m128i folded = _mm_or_si128(c, capital);
        __m128i word = _mm_or_si128(BETWEEN(folded, 'a', 'z'), BETWEEN(c, '0', '9'));
        word = _mm_or_si128(word, _mm_cmpeq_epi8(c, _mm_set1_epi8('_')));
        __m128i blank = _mm_or_si128(BETWEEN(c, 9, 13), BETWEEN(c, 28, 32));
        blank = _mm_or_si128(blank, _mm_cmpeq_epi8(c, _mm_setzero_si128()));
        _mm_storeu_si128((__m128i *)(lowered + i), words->lowercase ? folded : c);
        uint64_t of_word = (uint64_t)_mm_movemask_epi8(word);
        uint64_t of_none = (uint64_t)_mm_movemask_epi8(_mm_or_si128(word, blank));
        word_bits |= of_word << i;
        mark_bits |= (of_none ^ 0xFFFF) << i;
    }
#else
#define BETWEEN(x, low, high) ((x) >= (low) && (x) <= (high))
    for (int i = 0; i < 64; i++) {
        uint8_t c = bytes[i], folded = c | (BETWEEN(c, 'A', 'Z') ? 32 : 0);
        int word = BETWEEN(folded, 'a', 'z') || BETWEEN(c, '0', '9') || c == '_';
        int blank = BETWEEN(c, 9, 13) || BETWEEN(c, 28, 32) || !c;
        lowered[i] = words->lowercase ? folded : c;
        word_bits |= (uint64_t)word << i;
        mark_bits |= (uint64_t)!(word || blank) << i;
    }
#endif
#undef BETWEEN
    *in_word = word_bits;
    *is_mark = mark_bits;
}

static ALWAYS_INLINE uint32_t *write_places(uint64_t bits, uint32_t first, uint32_t *to) {
    for (; bits; bits &= bits - 1)
        *to++ = first + lowest_bit(bits);
    return to;
}

/* Cut an ASCII text of n bytes. Writes it to `lowered`, 64 bytes at a time, and the places of tokens
   plus `offset`. There is room for n tokens. Returns the number of tokens. */
static size_t cut_ascii(
    const Words *words, const uint8_t *text, size_t n, uint8_t *lowered, uint32_t offset,
    uint32_t *starts, uint32_t *ends
) {
    uint32_t *start = starts, *end = ends;
    uint64_t word_before = 0, mark_before = 0; /* whether the byte before the 64 is one */
    for (size_t at = 0; at < n; at += 64) {
        uint8_t rest[64] = {0};
        uint64_t in_word, is_mark;
        if (n - at < 64) /* never read beyond the text */
            memcpy(rest, text + at, n - at);
        classify64(words, n - at < 64 ? rest : text + at, lowered + at, &in_word, &is_mark);
        uint64_t after_word = in_word << 1 | word_before, after_mark = is_mark << 1 | mark_before;
        word_before = in_word >> 63;
        mark_before = is_mark >> 63;
        start = write_places((in_word & ~after_word) | is_mark, offset + (uint32_t)at, start);
        end = write_places((~in_word & after_word) | after_mark, offset + (uint32_t)at, end);
    }
    if (end - ends < start - starts)
        *end = offset + (uint32_t)n;
    return (size_t)(start - starts);
}

/* Decode one character of valid UTF-8, whose surrogates are encoded too; return its bytes. */
static ALWAYS_INLINE int decode(const uint8_t *bytes, uint32_t *code) {
    uint32_t c = bytes[0];
    if (c < 0x80)
        return *code = c, 1;
    if (c < 0xE0)
        return *code = (c & 31) << 6 | (bytes[1] & 63), 2;
    if (c < 0xF0)
        return *code = (c & 15) << 12 | (bytes[1] & 63u) << 6 | (bytes[2] & 63), 3;
    *code = (c & 7) << 18 | (bytes[1] & 63u) << 12 | (bytes[2] & 63u) << 6 | (bytes[3] & 63);
    return 4;
}

/* Cut a text of n bytes of UTF-8, which Python has lower-cased if the words are. The kinds of its
   characters are known. The rest is as in `cut_ascii`. */
static size_t cut_utf8(
    const Words *words, const uint8_t *text, size_t n, uint8_t *copy, uint32_t offset,
    uint32_t *starts, uint32_t *ends
) {
    size_t n_tokens = 0;
    int in_word = 0, size;
    memcpy(copy, text, n);
    for (size_t at = 0; at < n; at += (size_t)size) {
        uint32_t code;
        size = decode(text + at, &code);
        int kind = words->kinds[code];
        if (in_word && kind != WORD)
            ends[n_tokens - 1] = offset + (uint32_t)at;
        if (kind == MARK || (kind == WORD && !in_word)) {
            starts[n_tokens] = offset + (uint32_t)at;
            ends[n_tokens++] = offset + (uint32_t)(kind == MARK ? at + (size_t)size : n);
        }
        in_word = kind == WORD;
    }
    return n_tokens;
}

/* ---- Step 2: from tokens to ids */

/* Look up n tokens of `text`, which has SPARE bytes behind it. `later` has room for n numbers. The first
   two cache lines of each token's row of `width` floats are fetched. */
static void look_up(
    const Words *words, const uint8_t *text, const uint32_t *starts, const uint32_t *ends, size_t n,
    uint32_t *restrict ids, uint32_t *restrict later, const float *rows, size_t width
) {
    const Entry *entries = words->entries;
    const uint32_t *heads = words->heads[0];
    const uint64_t *masks = words->masks, multiplier = words->multiplier;
    int shift = words->shift;
    size_t n_later = 0;
    /* Without branches: nearly all words are short and first in their chains. What is found for a long
       one by its first bytes does not matter, because all long ones are looked up later. */
    for (size_t i = 0; i < n; i++) {
        uint32_t size = ends[i] - starts[i];
        uint64_t key = load64(text + starts[i]) & masks[size < SHORT ? size : SHORT];
        uint32_t id = heads[(key * multiplier) >> shift];
        uint32_t differs = entries[id].key != key;
        later[n_later] = (uint32_t)i;
        n_later += (size > SHORT) | (differs & (entries[id].next != 0));
        id &= differs - 1;
        ids[i] = id;
        PREFETCH(rows + id * width);
        PREFETCH(rows + id * width + 16);
    }
    for (size_t i = 0; i < n_later; i++) {
        uint32_t token = later[i];
        ids[token] = find(words, text + starts[token], ends[token] - starts[token]);
    }
}

/* ---- Steps 3 to 5: from ids to scores */

/* A step of the network: pool columns of the table, or multiply by a matrix. `_kernel.py` fills these in;
   `_native.c` checks every number. Widths are divisible by 4, and filled with zeros. */
typedef struct {
    int64_t how;           /* MEAN, MAX, ATTENTION, or LAYER: max(0, x), then a matrix */
    int64_t column, width; /* the first of a row's columns to pool, and their number */
    int64_t n_inputs, n_outputs;
    int64_t matrix, bias;  /* where they begin in `numbers`. A pooling may have no matrix (-1), and only
                              layers and convolutions have a bias. */
    int64_t places;        /* of a convolution, or 0. Each has `width` columns, in the order of the
                              text; the middle is place number places / 2. */
} Step;

typedef struct {
    /* (n_rows, n_columns). Row 0 is for unknown words, which count like others; the last row, for the
       places between texts, contains zeros. */
    const float *table;
    size_t n_rows, n_columns;
    size_t window;        /* the places of attention's window, or 0 */
    size_t half;          /* the most places that a window or convolution has on one side */
    int may_overflow;     /* whether e to the power of a window's sum may be: `_mlp.py` bounds the sums */
    Step *steps;
    size_t n_steps, n_classes, n_hidden, widest;
    const float *numbers; /* the bias of the n_hidden first sums, the scores of a text without known
                             words, which begin at n_hidden, and what the steps need */
    int multilabel;
} Network;

/* The floats of a lane, see `window_sums`: 4 in front, since narrow windows read up to 3 places before
   the first, and 4 behind, since filled columns are written. */
static size_t lane_size(const Network *net, size_t n) { return n + net->window + 8; }

/* Sum the window's numbers for `n` places, n divisible by 4. Column c of a row is what the word adds at
   the place c - window / 2 behind it. The columns from `window` up to the next multiple of 4 must be
   zeros, since they are added, too. Each lane takes every fourth place, so that all sums in a lane are
   aligned alike. */
static void window_sums(const Network *net, const uint32_t *ids, size_t n, float *lane[4]) {
    size_t window = net->window; /* which stores might change as far as the compiler knows */
    for (size_t i = 0; i < n; i += 4)
        for (size_t k = 0; k < 4; k++) {
            const float *row = net->table + (size_t)ids[i + k] * net->n_columns;
            float *sums = lane[k] + i;
            for (size_t place = 0; place < window; place += 4)
                store4(sums + place, add4(load4(sums + place), load4(row + place)));
        }
}

/* The same for windows of 13 or 15 places, the default among them, with the sums in registers. */
static void window_sums_of_16(const Network *net, const uint32_t *ids, size_t n, float *lane[4]) {
    float4 sums[4][3];
    for (int k = 0; k < 4; k++)
        for (int place = 0; place < 3; place++)
            sums[k][place] = fill4(0);
    for (size_t i = 0; i < n; i += 4)
        for (int k = 0; k < 4; k++) {
            const float *row = net->table + (size_t)ids[i + (size_t)k] * net->n_columns;
            store4(lane[k] + i, add4(sums[k][0], load4(row)));
            sums[k][0] = add4(sums[k][1], load4(row + 4));
            sums[k][1] = add4(sums[k][2], load4(row + 8));
            sums[k][2] = load4(row + 12);
        }
    for (int k = 0; k < 4; k++)
        for (int place = 0; place < 3; place++)
            store4(lane[k] + n + 4 * place, sums[k][place]);
}

/* Write the sums over the window around each of n places; see `window_sums`. */
static void window_scores(const Network *net, const uint32_t *ids, size_t n, float *lanes, float *scores) {
    size_t half = net->window / 2, size = lane_size(net, n);
    float *lane[4];
    for (size_t k = 0; k < 4; k++)
        lane[k] = lanes + k * size + 4;
    if (net->window == 13 || net->window == 15) {
        window_sums_of_16(net, ids, n, lane);
    } else {
        memset(lanes, 0, 4 * size * sizeof(float));
        window_sums(net, ids, n, lane);
    }
    for (size_t i = 0; i < n; i += 4) {
        float4 low = add4(load4(lane[0] + i + half), load4(lane[1] + i + half - 1));
        float4 high = add4(load4(lane[2] + i + half - 2), load4(lane[3] + i + half - 3));
        store4(scores + i, add4(low, high));
    }
}

/* e to the power of x by the polynomial of Cephes, with a relative error below 2e-7. Without
   branches, so that compilers vectorise it. */
static ALWAYS_INLINE float exp_of(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float shifted = x * 1.44269504088896341f + 12582912.0f; /* rounds to an integer */
    uint32_t bits;
    memcpy(&bits, &shifted, 4);
    float n = shifted - 12582912.0f;
    float r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    bits = (bits - 0x4B400000u + 127u) << 23; /* two to the power of n */
    float scale;
    memcpy(&scale, &bits, 4);
    return p * scale;
}

static void exp_all(float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = exp_of(x[i]);
}

static void subtract_largest(float *scores, size_t n) {
    float largest = n ? scores[0] : 0;
    for (size_t i = 1; i < n; i++)
        largest = scores[i] > largest ? scores[i] : largest;
    for (size_t i = 0; i < n; i++)
        scores[i] -= largest;
}

/* Pool 4 * N columns of n > 0 rows, and return the sum of the weights. Every second row has sums of its
   own, so that no addition waits for the one before; N is constant, so that all stay in registers. */
static ALWAYS_INLINE float pool_columns(
    int N, int how, const float *column, size_t n_columns, const uint32_t *ids, const float *weights,
    size_t n, float *pooled
) {
    float4 sums[2][4];
    float totals[2] = {0, 0};
    for (int k = 0; k < N; k++)
        sums[0][k] = sums[1][k] = how == MAX ? load4(column + (size_t)ids[0] * n_columns + 4 * k) : fill4(0);
    for (size_t i = 0; i < n; i += 2)
        for (size_t j = 0; j < 2 && i + j < n; j++) {
            const float *row = column + (size_t)ids[i + j] * n_columns;
            float weight = how == ATTENTION ? weights[i + j] : 1;
            totals[j] += weight;
            for (int k = 0; k < N; k++) {
                float4 x = load4(row + 4 * k);
                if (how == ATTENTION)
                    x = times4(fill4(weight), x);
                sums[j][k] = how == MAX ? max4(sums[j][k], x) : add4(sums[j][k], x);
            }
        }
    for (int k = 0; k < N; k++)
        store4(pooled + 4 * k, how == MAX ? max4(sums[0][k], sums[1][k]) : add4(sums[0][k], sums[1][k]));
    return totals[0] + totals[1];
}

/* Compute 4 * N filters of a convolution at n places, set negative numbers to 0, and pool them; see
   `pool_columns`. */
static ALWAYS_INLINE float pool_convolution(
    int N, int how, const Step *step, const float *column, const float *bias, size_t n_columns,
    const uint32_t *ids, size_t n, float *pooled
) {
    float4 filters[4], sums[4];
    for (int k = 0; k < N; k++)
        sums[k] = fill4(0);
    for (const uint32_t *first = ids - step->places / 2; first < ids - step->places / 2 + n; first++) {
        for (int k = 0; k < N; k++)
            filters[k] = load4(bias + 4 * k);
        for (int64_t place = 0; place < step->places; place++) {
            const float *row = column + first[place] * n_columns + place * step->width;
            for (int k = 0; k < N; k++)
                filters[k] = add4(filters[k], load4(row + 4 * k));
        }
        for (int k = 0; k < N; k++)
            sums[k] = how == MAX ? max4(sums[k], filters[k]) : add4(sums[k], max4(filters[k], fill4(0)));
    }
    for (int k = 0; k < N; k++)
        store4(pooled + 4 * k, sums[k]);
    return (float)n;
}

#define POOL_CASE(N, HOW) \
    case 3 * N + HOW: \
        return pool_columns(N, HOW, column, net->n_columns, ids, weights, n, pooled);
#define POOL_CASES(N) POOL_CASE(N, MEAN) POOL_CASE(N, MAX) POOL_CASE(N, ATTENTION)
#define CONVOLVE_CASE(N, HOW) \
    case 12 + 3 * N + HOW: \
        return pool_convolution(N, HOW, step, column, bias, net->n_columns, ids, n, pooled);
#define CONVOLVE_CASES(N) CONVOLVE_CASE(N, MEAN) CONVOLVE_CASE(N, MAX)

/* Pool up to 16 columns, from number `first` on; see `pool_columns` and `pool_convolution`. */
static float pool_stripe(
    const Network *net, const Step *step, int64_t first, int n4, const uint32_t *ids,
    const float *weights, size_t n, float *pooled
) {
    const float *column = net->table + step->column + first;
    const float *bias = net->numbers + (step->places ? step->bias + first : 0);
    switch ((step->places ? 12 : 0) + 3 * n4 + step->how) {
        POOL_CASES(1) POOL_CASES(2) POOL_CASES(3) POOL_CASES(4)
        CONVOLVE_CASES(1) CONVOLVE_CASES(2) CONVOLVE_CASES(3) CONVOLVE_CASES(4)
    }
    return 0;
}

/* Pool the rows of n > 0 ids, 16 columns at a time. Long texts are pooled in pieces, because floats
   lose precision in long sums. */
static void pool(
    const Network *net, const Step *step, const uint32_t *ids, const float *weights, size_t n,
    float *pooled
) {
    int how = (int)step->how;
    for (int64_t done = 0; done < step->width; done += 16, pooled += 16) {
        int n4 = step->width - done < 16 ? (int)(step->width - done) / 4 : 4;
        size_t piece = how == MAX ? n : PIECE;
        double sums[16] = {0}, total = 0;
        for (size_t i = 0; i < n; i += piece) {
            size_t rest = n - i < piece ? n - i : piece;
            total += pool_stripe(net, step, done, n4, ids + i, weights + i, rest, pooled);
            for (int c = 0; c < 4 * n4 && n > piece; c++)
                pooled[c] = (float)(sums[c] += pooled[c]);
        }
        for (int c = 0; c < 4 * n4 && how != MAX; c++)
            pooled[c] /= (float)total;
    }
}

/* Add inputs @ matrix to the outputs. */
static void dense(const Network *net, const Step *step, const float *inputs, float *outputs) {
    const float *row = net->numbers + step->matrix;
    for (int64_t i = 0; i < step->n_inputs; i++, row += step->n_outputs) {
        float4 x = fill4(inputs[i]);
        for (int64_t c = 0; c < step->n_outputs; c += 4)
            store4(outputs + c, add4(load4(outputs + c), times4(x, load4(row + c))));
    }
}

/* `ids` and `weights` begin at the first of a text's n tokens; `work` has room for 3 * `widest` floats.
   Returns where in `work`, or the network, the text's scores are. */
static const float *scores_of(
    const Network *net, const uint32_t *ids, const float *weights, size_t n, float *work
) {
    float *hidden = work, *next = work + net->widest, *pooled = next + net->widest;
    uint32_t known = 0;
    for (size_t i = 0; i < n; i++)
        known |= ids[i];
    if (!known)
        return net->numbers + net->n_hidden;
    for (size_t c = 0; c < net->n_hidden; c += 4)
        store4(hidden + c, load4(net->numbers + c));
    for (const Step *step = net->steps; step < net->steps + net->n_steps; step++) {
        if (step->how == LAYER) {
            for (int64_t c = 0; c < step->n_inputs; c++)
                hidden[c] = hidden[c] > 0 ? hidden[c] : 0;
            memcpy(next, net->numbers + step->bias, (size_t)step->n_outputs * sizeof(float));
            dense(net, step, hidden, next);
            float *swap = hidden;
            hidden = next;
            next = swap;
            continue;
        }
        pool(net, step, ids, weights, n, pooled);
        if (step->matrix >= 0)
            dense(net, step, pooled, hidden);
        else
            for (int64_t c = 0; c < step->width; c += 4)
                store4(hidden + c, add4(load4(hidden + c), load4(pooled + c)));
    }
    return hidden;
}

/* Turn the scores of n classes into probabilities: softmax, or the logistic function of each. `proba`
   may be `scores`. */
static void to_probabilities(const float *scores, size_t n, int multilabel, float *proba) {
    if (multilabel) {
        for (size_t c = 0; c < n; c++) {
            float x = scores[c], below = x < 0 ? x : 0, beyond = x < 0 ? x : -x;
            proba[c] = exp_of(below) / (1 + exp_of(beyond));
        }
        return;
    }
    float sum = 0;
    memmove(proba, scores, n * sizeof(float));
    subtract_largest(proba, n);
    exp_all(proba, n);
    for (size_t c = 0; c < n; c++)
        sum += proba[c];
    for (size_t c = 0; c < n; c++)
        proba[c] /= sum;
}

/* ---- All steps for a block of texts */

typedef struct {
    const uint8_t *bytes;
    size_t n_bytes;
    int is_ascii; /* else UTF-8, lower-cased if the words are */
} Text;

/* Memory that one call uses. It grows, and is used again for the next texts. */
typedef struct { void *memory; size_t size; } Buffer;
enum { LOWERED, STARTS, ENDS, IDS, WEIGHTS, LANES, WORK, SCORES, N_BUFFERS };

/* Make room for n items; what was there is lost. Memory that is never touched is never taken. Returns
   NULL if memory is short. */
static void *reserve(Buffer *buffer, size_t n, size_t itemsize) {
    n = (n + SPARE) * itemsize;
    if (n > buffer->size) {
        free(buffer->memory);
        buffer->memory = malloc(n + n / 4);
        buffer->size = buffer->memory ? n + n / 4 : 0;
    }
    return buffer->memory;
}

/* Cut up to BLOCK_TEXTS texts. Writes each text's number of tokens. Returns the number of texts that
   were cut, at least one, or 0 if memory is short. */
static size_t cut_block(
    const Words *words, const Text *texts, size_t n, Buffer *buffers, uint32_t *counts
) {
    size_t i = 0, at = 0, n_tokens = 0;
    size_t room = (texts[0].n_bytes > BLOCK_BYTES ? texts[0].n_bytes : BLOCK_BYTES) + 64;
    uint8_t *bytes = reserve(&buffers[LOWERED], room, 1);
    /* A token may be as short as a byte. */
    uint32_t *starts = reserve(&buffers[STARTS], room, 4), *ends = reserve(&buffers[ENDS], room, 4);
    if (!bytes || !starts || !ends)
        return 0;
    for (; i < n && i < BLOCK_TEXTS && (!i || at + texts[i].n_bytes <= BLOCK_BYTES); i++) {
        size_t size = texts[i].n_bytes;
        counts[i] = (uint32_t)(texts[i].is_ascii ? cut_ascii : cut_utf8)(
            words, texts[i].bytes, size, bytes + at, (uint32_t)at, starts + n_tokens, ends + n_tokens);
        n_tokens += counts[i];
        at += (size + 63) & ~(size_t)63; /* `cut_ascii` writes 64 bytes at a time */
    }
    memset(bytes + at, 0, SPARE); /* `look_up` reads beyond the last word */
    return i;
}

/* Return where the next text begins if one of n tokens begins at `place`: behind half a window, at a
   multiple of 4. If place and n are 0, it is where the first text begins. */
static ALWAYS_INLINE size_t next_place(const Network *net, size_t place, size_t n) {
    return (place + n + net->half + 3) & ~(size_t)3;
}

/* Look up the tokens of n texts; those of text i begin at places[i]. Ids of zero rows go in between. */
static void fill_ids(
    const Words *words, const Network *net, const Buffer *buffers, const uint32_t *counts,
    const size_t *places, size_t n
) {
    uint32_t *ids = buffers[IDS].memory, *starts = buffers[STARTS].memory, *ends = buffers[ENDS].memory;
    for (size_t place = 0; place < places[0]; place++)
        ids[place] = (uint32_t)net->n_rows - 1;
    for (size_t i = 0; i < n; starts += counts[i], ends += counts[i], i++) {
        /* The weights are not needed before step 3. */
        look_up(words, buffers[LOWERED].memory, starts, ends, counts[i], ids + places[i],
                buffers[WEIGHTS].memory, net->table, net->n_columns);
        for (size_t place = places[i] + counts[i]; place < places[i + 1]; place++)
            ids[place] = (uint32_t)net->n_rows - 1;
    }
}

/* Compute the scores of texts; row i of `scores` gets those of text i. Returns 0 if memory is short. */
static int score_texts(
    const Words *words, const Network *net, const Text *texts, size_t n, Buffer *buffers, float *scores
) {
    uint32_t counts[BLOCK_TEXTS];
    size_t places[BLOCK_TEXTS + 1] = {next_place(net, 0, 0)};
    float *work = reserve(&buffers[WORK], 3 * net->widest, sizeof(float));
    for (size_t first = 0, n_cut; first < n; first += n_cut) {
        if (!work || !(n_cut = cut_block(words, texts + first, n - first, buffers, counts)))
            return 0;
        for (size_t i = 0; i < n_cut; i++)
            places[i + 1] = next_place(net, places[i], counts[i]);
        size_t n_places = places[n_cut], n_lanes = net->window ? 4 : 0;
        uint32_t *ids = reserve(&buffers[IDS], n_places, sizeof(uint32_t));
        float *weights = reserve(&buffers[WEIGHTS], n_places, sizeof(float));
        float *lanes = reserve(&buffers[LANES], n_lanes * lane_size(net, n_places), sizeof(float));
        if (!ids || !weights || !lanes)
            return 0;
        fill_ids(words, net, buffers, counts, places, n_cut);
        if (net->window) {
            window_scores(net, ids, n_places, lanes, weights);
            for (size_t i = 0; net->may_overflow && i < n_cut; i++)
                subtract_largest(weights + places[i], counts[i]);
            exp_all(weights, n_places);
        }
        for (size_t i = 0; i < n_cut; i++) {
            const float *found = scores_of(net, ids + places[i], weights + places[i], counts[i], work);
            memcpy(scores + (first + i) * net->n_classes, found, net->n_classes * sizeof(float));
        }
    }
    return 1;
}
#endif
