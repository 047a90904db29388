/* The Python side of `_native.h`: lists of str in, NumPy arrays out.

Only the limited API of Python 3.11 is used, so that one wheel serves all later versions. Texts are
collected while the interpreter's lock is held, a batch at a time, and processed without it.
`_kernel.py` is the only caller; all that it passes is checked, because files can be hostile. */
#define PY_SSIZE_T_CLEAN
#ifndef Py_GIL_DISABLED
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include "_native.h"
#ifndef SOURCE_HASH
#define SOURCE_HASH 0 /* the build sets it */
#endif

enum { BATCH = 256, AHEAD = 8, N_CODES = 0x110000, LARGE = 1 << 22 };
enum { LOGITS, PROBABILITIES, LABELS };                 /* what `predict` writes */
enum { BYTES, KINDS, TABLE, STEPS, NUMBERS, N_ARRAYS }; /* what a kernel borrows from Python */

/* `str.isascii`. The limited API has no other way that neither copies the text nor is slow. */
static PyCFunction str_isascii;

/* What one call needs. A kernel keeps one for the next call. */
typedef struct {
    Text texts[BATCH];
    PyObject *owners[BATCH]; /* the objects that keep the texts' bytes alive */
    size_t n_texts;
    Scratch scratch;
    Buffer scores;
} Job;

typedef struct {
    PyObject_HEAD
    Words words;
    Network net;
    Py_buffer arrays[N_ARRAYS];
    PyObject *learn; /* learn(code) fills in the kinds of the characters around one */
    Job *spare;
} Kernel;

static PyObject *refuse(const char *message) {
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, message);
    return NULL;
}

/* Get an array of items of a size, and their number. */
static int get_array(PyObject *object, Py_buffer *view, Py_ssize_t itemsize, int flags, size_t *n) {
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | flags) < 0)
        return 0;
    *n = (size_t)(view->len / itemsize);
    if (view->itemsize == itemsize)
        return 1;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_TypeError, "the array has items of another size");
    return 0;
}

/* ---- Collecting texts */

static void release_texts(Job *job) {
    while (job->n_texts)
        Py_DECREF(job->owners[--job->n_texts]);
}

static void free_job(Job *job) {
    if (job) {
        free_scratch(&job->scratch);
        free(job->scores.memory);
        free(job);
    }
}

/* Concurrent calls take and give back jobs while they hold the lock. */
static Job *take_job(Kernel *self) {
    Job *job = self->spare;
    self->spare = NULL;
    if (!job && !(job = calloc(1, sizeof(Job))))
        PyErr_NoMemory();
    return job;
}

static void give_back(Kernel *self, Job *job) {
    release_texts(job);
    if (self->spare || job->scratch.text.size > LARGE || job->scratch.lanes.size > LARGE)
        free_job(job);
    else
        self->spare = job;
}

/* Return a str as UTF-8 in a new bytes object, lower-cased if the words are, once the kinds of its
   characters are known. (`PyUnicode_AsUTF8AndSize` would leave a copy in the str.) */
static PyObject *encoded(Kernel *self, PyObject *text, char **bytes, Py_ssize_t *n) {
    PyObject *known, *lowered = self->words.lowercase ? PyObject_CallMethod(text, "lower", NULL) : text;
    PyObject *utf8 = lowered ? PyUnicode_AsEncodedString(lowered, "utf-8", "surrogatepass") : NULL;
    if (lowered != text)
        Py_XDECREF(lowered);
    if (!utf8 || PyBytes_AsStringAndSize(utf8, bytes, n) < 0)
        return NULL;
    for (Py_ssize_t at = 0; at < *n;) {
        uint32_t code;
        at += decode((uint8_t *)*bytes + at, &code);
        if (self->words.kinds[code] != UNSEEN)
            continue;
        if (!(known = PyObject_CallFunction(self->learn, "I", code))) {
            Py_DECREF(utf8);
            return NULL;
        }
        Py_DECREF(known);
    }
    return utf8;
}

/* Add a text to a job, and keep it alive. The bytes of ASCII texts are the str's own. */
static int add_text(Kernel *self, Job *job, PyObject *object) {
    char *bytes;
    Py_ssize_t n;
    Text *text = &job->texts[job->n_texts];
    if (!PyUnicode_CheckExact(object)) {
        PyErr_SetString(PyExc_TypeError, "every text must be a str");
        return 0;
    }
    PyObject *owner = object, *flag = str_isascii(object, NULL);
    text->is_ascii = flag == Py_True;
    Py_XDECREF(flag);
    if (!text->is_ascii)
        owner = encoded(self, object, &bytes, &n);
    else if ((bytes = (char *)PyUnicode_AsUTF8AndSize(object, &n)))
        Py_INCREF(owner);
    else
        return 0;
    if (!owner)
        return 0;
    job->owners[job->n_texts++] = owner;
    text->bytes = (const uint8_t *)bytes;
    text->n_bytes = (size_t)n;
    if (text->n_bytes > MAX_TEXT_BYTES)
        PyErr_SetString(PyExc_MemoryError, "a text is longer than 1 GiB");
    return text->n_bytes <= MAX_TEXT_BYTES;
}

/* Collect the texts from `start` to `stop`, a batch at most. The list may have changed. */
static int collect(Kernel *self, Job *job, PyObject *list, Py_ssize_t start, Py_ssize_t stop) {
    release_texts(job);
    for (Py_ssize_t i = start; i < stop; i++) {
        if (i + AHEAD < stop && i + AHEAD < PyList_Size(list)) {
            const char *later = (const char *)PyList_GetItem(list, i + AHEAD);
            PREFETCH(later);
            PREFETCH(later + 64);
        }
        PyObject *text = PyList_GetItem(list, i);
        if (!text || !add_text(self, job, text))
            return 0;
    }
    return PyErr_CheckSignals() == 0;
}

/* ---- Building a kernel */

static void kernel_dealloc(PyObject *object) {
    Kernel *self = (Kernel *)object;
    PyTypeObject *type = Py_TYPE(object);
    free(self->words.entries), free(self->words.heads[0]), free(self->words.heads[1]);
    free_job(self->spare);
    for (int i = 0; i < N_ARRAYS; i++)
        PyBuffer_Release(&self->arrays[i]); /* does nothing where there is none */
    Py_XDECREF(self->learn);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

/* Take words from a bytes-like object with SPARE bytes behind them. Word i, whose id is i + 1, is
   bytes[starts[i]:starts[i + 1]]. */
static int read_words(Kernel *self, PyObject *bytes, PyObject *starts) {
    size_t n_bytes, n_starts;
    Py_buffer view;
    Words *words = &self->words;
    if (!get_array(bytes, &self->arrays[BYTES], 1, 0, &n_bytes)
        || !get_array(starts, &view, 4, 0, &n_starts))
        return 0;
    const uint32_t *start = view.buf;
    int fits = n_starts > 0 && n_starts < INT32_MAX && n_bytes >= SPARE
        && start[n_starts - 1] <= n_bytes - SPARE;
    for (size_t i = 1; fits && i < n_starts; i++)
        fits = start[i - 1] <= start[i];
    if (fits && (words->entries = calloc(n_starts + 1, sizeof(Entry))))
        for (size_t i = 0; i < n_starts; i++)
            words->entries[i + 1].start = start[i];
    PyBuffer_Release(&view);
    words->n_words = (uint32_t)(n_starts - 1);
    words->bytes = self->arrays[BYTES].buf;
    return words->entries != NULL;
}

/* Kernel(bytes, starts, lowercase, seed, kinds, learn): look up words. */
static PyObject *kernel_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *bytes, *starts, *kinds, *learn;
    int lowercase;
    unsigned long long seed;
    size_t n_kinds;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "OOpKOO", &bytes, &starts, &lowercase, &seed, &kinds, &learn))
        return NULL;
    Kernel *self = (Kernel *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0); /* zeros */
    if (!self)
        return NULL;
    Py_INCREF(learn);
    self->learn = learn;
    self->words.lowercase = lowercase;
    if (read_words(self, bytes, starts) && get_array(kinds, &self->arrays[KINDS], 1, 0, &n_kinds)
        && n_kinds == N_CODES && index_words(&self->words, seed)) {
        self->words.kinds = self->arrays[KINDS].buf;
        return (PyObject *)self;
    }
    Py_DECREF(self);
    return refuse("no hash table holds these words");
}

/* Return whether `size` items from `start` are within n. */
static int within(size_t n, int64_t start, int64_t size) {
    return start >= 0 && size > 0 && (uint64_t)start <= n && (uint64_t)size <= n - (uint64_t)start;
}

/* Check all places and sizes of a network; return its number of outputs, or -1. */
static int64_t check_steps(Network *net, size_t n_numbers) {
    int64_t n = (int64_t)net->n_hidden;
    int was_layer = 0;
    for (const Step *step = net->steps; step < net->steps + net->n_steps; step++) {
        int64_t n_outputs = step->n_outputs, n_inputs = step->n_inputs, width = step->width;
        int64_t places = step->places;
        int is_layer = step->how == LAYER, has_matrix = step->matrix != -1;
        /* Below 2**31, so that no product overflows. */
        if (n_outputs % 4 || !within(INT32_MAX, n_outputs, 1) || !within(INT32_MAX, n_inputs, 1)
            || (has_matrix && !within(n_numbers, step->matrix, n_inputs * n_outputs)))
            return -1;
        if (is_layer && !(has_matrix && n_inputs <= n && within(n_numbers, step->bias, n_outputs)))
            return -1;
        if (!is_layer && (was_layer || step->how < MEAN || step->how > ATTENTION || n_outputs != n
            || width % 4 || !within(net->n_columns, step->column, width) || n_inputs > width
            || (step->how == ATTENTION && (places || !net->window)) || (!has_matrix && width != n)))
            return -1;
        if (places && (is_layer || !within(net->n_columns, places, 1)
            || !within(net->n_columns, step->column, places * width)
            || !within(n_numbers, step->bias, width)))
            return -1;
        net->half = (size_t)(places / 2) > net->half ? (size_t)(places / 2) : net->half;
        was_layer = is_layer;
        n = n_outputs;
        size_t widest = (size_t)(!is_layer && width > n ? width : n);
        net->widest = widest > net->widest ? widest : net->widest;
    }
    return n;
}

/* set_network(table, window, may_overflow, steps, numbers, n_hidden, n_classes, multilabel): see
   `Network`. Nothing is copied. */
static PyObject *set_network(PyObject *object, PyObject *args) {
    Kernel *self = (Kernel *)object;
    Network net = {0};
    PyObject *table, *steps, *numbers;
    Py_ssize_t window, n_hidden, n_classes;
    size_t n_cells, n_fields, n_numbers;
    if (!PyArg_ParseTuple(args, "OnpOOnnp", &table, &window, &net.may_overflow, &steps, &numbers,
                          &n_hidden, &n_classes, &net.multilabel))
        return NULL;
    if (self->arrays[TABLE].obj)
        return refuse("the network is set already");
    if (!get_array(table, &self->arrays[TABLE], 4, 0, &n_cells)
        || !get_array(steps, &self->arrays[STEPS], 8, 0, &n_fields)
        || !get_array(numbers, &self->arrays[NUMBERS], 4, 0, &n_numbers))
        return NULL;
    net.n_rows = (size_t)self->words.n_words + 2;
    net.n_columns = n_cells / net.n_rows;
    if (net.n_columns * net.n_rows != n_cells || net.n_columns % 4 || (window && window % 2 == 0)
        || (window && !within(net.n_columns, 0, window)))
        return refuse("the table does not fit");
    if (n_hidden % 4 || !within(INT32_MAX, n_hidden, 1) || !within(INT32_MAX, n_classes, 1)
        || !within(n_numbers, n_hidden, (n_classes + 3) / 4 * 4))
        return refuse("the classes do not fit");
    net.table = self->arrays[TABLE].buf;
    net.steps = self->arrays[STEPS].buf;
    net.numbers = self->arrays[NUMBERS].buf;
    net.window = (size_t)window;
    net.half = net.window / 2;
    net.n_steps = n_fields * sizeof(int64_t) / sizeof(Step);
    net.n_classes = (size_t)n_classes;
    net.n_hidden = net.widest = (size_t)n_hidden;
    if (n_fields * sizeof(int64_t) % sizeof(Step)
        || check_steps(&net, n_numbers) != (n_classes + 3) / 4 * 4)
        return refuse("the steps do not fit");
    self->net = net;
    Py_RETURN_NONE;
}

/* ---- Using a kernel */

/* Write the answers to n texts. Labels are numbers of classes, or ones and zeros. */
static void answer(const Network *net, int wanted, const float *scores, size_t n, void *to) {
    size_t n_classes = net->n_classes;
    float *floats = to;
    int64_t *labels = to;
    for (size_t i = 0; i < n; i++, scores += n_classes, floats += n_classes) {
        if (wanted == LABELS && net->multilabel) {
            for (size_t c = 0; c < n_classes; c++)
                *labels++ = scores[c] > 0;
        } else if (wanted == LABELS) {
            size_t best = 0;
            for (size_t c = 1; c < n_classes; c++)
                best = scores[c] > scores[best] ? c : best;
            *labels++ = (int64_t)best;
        } else if (wanted == PROBABILITIES)
            to_probabilities(scores, n_classes, net->multilabel, floats);
        else
            memcpy(floats, scores, n_classes * sizeof(float));
    }
}

/* predict(texts, start, stop, out, wanted): fill in rows `start` to `stop` of an array. */
static PyObject *predict(PyObject *object, PyObject *args) {
    Kernel *self = (Kernel *)object;
    const Network *net = &self->net;
    PyObject *list, *array;
    Py_ssize_t start, stop;
    int wanted;
    Py_buffer out;
    size_t n_items;
    if (!PyArg_ParseTuple(args, "O!nnOi", &PyList_Type, &list, &start, &stop, &array, &wanted))
        return NULL;
    if (!net->n_classes)
        return refuse("the kernel has no network");
    Py_ssize_t itemsize = wanted == LABELS ? 8 : 4;
    size_t width = wanted == LABELS && !net->multilabel ? 1 : net->n_classes;
    size_t most = LARGE / net->n_classes + 1;
    most = most < BATCH ? most : BATCH;
    if (!get_array(array, &out, itemsize, PyBUF_WRITABLE, &n_items))
        return NULL;
    Job *job = NULL;
    if (start < 0 || stop < start || (size_t)stop > n_items / width)
        refuse("the array does not have these rows");
    else if ((job = take_job(self)) && !reserve(&job->scores, most * net->n_classes, sizeof(float)))
        PyErr_NoMemory();
    for (Py_ssize_t n; job && !PyErr_Occurred() && start < stop; start += n) {
        n = stop - start < (Py_ssize_t)most ? stop - start : (Py_ssize_t)most;
        if (!collect(self, job, list, start, start + n))
            break;
        int done;
        char *to = (char *)out.buf + (size_t)(start * itemsize) * width;
        Py_BEGIN_ALLOW_THREADS
        done = score_texts(&self->words, net, job->texts, (size_t)n, &job->scratch, job->scores.memory);
        if (done)
            answer(net, wanted, job->scores.memory, (size_t)n, to);
        Py_END_ALLOW_THREADS
        if (!done)
            PyErr_NoMemory();
    }
    if (job)
        give_back(self, job);
    PyBuffer_Release(&out);
    return PyErr_Occurred() ? NULL : Py_BuildValue("");
}

/* Write the ids of a job's texts to at most `room` places, and their number for each text. Returns the
   number of all, or -1 if memory or room is short. Needs no lock. */
static Py_ssize_t encode_job(const Words *words, Job *job, int64_t *lengths, uint32_t *ids, size_t room) {
    Scratch *s = &job->scratch;
    uint32_t counts[BLOCK_TEXTS];
    size_t n_ids = 0;
    for (size_t first = 0, n_cut; first < job->n_texts; first += n_cut) {
        size_t n_tokens = 0;
        if (!(n_cut = cut_block(words, job->texts + first, job->n_texts - first, s, counts)))
            return -1;
        for (size_t i = 0; i < n_cut; i++)
            n_tokens += (size_t)(lengths[first + i] = counts[i]);
        if (n_ids + n_tokens > room || !reserve(&s->scores, n_tokens, 4))
            return -1;
        look_up(words, s->text.memory, s->starts.memory, s->ends.memory, n_tokens, ids + n_ids,
                s->scores.memory, NULL, 0);
        n_ids += n_tokens;
    }
    return (Py_ssize_t)n_ids;
}

/* encode(texts, lengths, ids): fill in the number of ids of each text, and the ids; return how many. */
static PyObject *encode(PyObject *object, PyObject *args) {
    Kernel *self = (Kernel *)object;
    PyObject *list, *lengths_array, *ids_array;
    Py_buffer lengths, ids;
    size_t n_rows, room;
    Py_ssize_t found = 0, n_ids = 0;
    if (!PyArg_ParseTuple(args, "O!OO", &PyList_Type, &list, &lengths_array, &ids_array))
        return NULL;
    if (!get_array(lengths_array, &lengths, 8, PyBUF_WRITABLE, &n_rows))
        return NULL;
    Job *job = get_array(ids_array, &ids, 4, PyBUF_WRITABLE, &room) ? take_job(self) : NULL;
    for (size_t start = 0, n; job && start < n_rows && found >= 0; start += n, n_ids += found) {
        n = n_rows - start < BATCH ? n_rows - start : BATCH;
        if (!collect(self, job, list, (Py_ssize_t)start, (Py_ssize_t)(start + n)))
            break;
        Py_BEGIN_ALLOW_THREADS
        found = encode_job(&self->words, job, (int64_t *)lengths.buf + start, (uint32_t *)ids.buf + n_ids,
                           room - (size_t)n_ids);
        Py_END_ALLOW_THREADS
    }
    if (job)
        give_back(self, job);
    PyBuffer_Release(&lengths);
    PyBuffer_Release(&ids);
    if (found < 0)
        PyErr_NoMemory();
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(n_ids);
}

static PyMethodDef methods[] = {
    {"set_network", set_network, METH_VARARGS, NULL},
    {"predict", predict, METH_VARARGS, NULL},
    {"encode", encode, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_new, kernel_new}, {Py_tp_dealloc, kernel_dealloc}, {Py_tp_methods, methods}, {0, NULL},
};
static PyType_Spec spec = {
    "skdistill.runtime._native.Kernel", sizeof(Kernel), 0, Py_TPFLAGS_DEFAULT, slots,
};

static int fill_module(PyObject *module) {
    PyObject *empty = PyUnicode_FromString("");
    PyObject *method = empty ? PyObject_GetAttrString(empty, "isascii") : NULL;
    PyObject *type = PyType_FromSpec(&spec);
    /* The function itself, which takes the str instead of `empty`. */
    if (method && PyCFunction_Check(method) && PyCFunction_GetFlags(method) == METH_NOARGS)
        str_isascii = PyCFunction_GetFunction(method);
    else if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ImportError, "str.isascii is not what skdistill expects");
    int done = str_isascii && type && !PyModule_AddObjectRef(module, "Kernel", type)
        && !PyModule_AddIntConstant(module, "source_hash", SOURCE_HASH);
    Py_XDECREF(method);
    Py_XDECREF(empty);
    Py_XDECREF(type);
    return done ? 0 : -1;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, fill_module}, {0, NULL}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_native", NULL, 0, NULL, module_slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
