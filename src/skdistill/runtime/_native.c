/* The Python side of `_native.h`: lists of str in, NumPy arrays out.

Only the limited API of Python 3.11 is used, so that one wheel serves all later versions: the build
defines Py_LIMITED_API, but not for free-threaded Python, which has none. There the import switches the
interpreter's lock on, because the module does not claim to need none; this was compiled, never run.

Texts are collected while the lock is held, a batch at a time, and processed without it. `_kernel.py`
is the only caller; all that it passes is checked, because files can be hostile. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_native.h"
#ifndef SOURCE_HASH
#define SOURCE_HASH 0 /* the build sets it */
#endif

enum {
    BATCH = 256,           /* texts that are collected at a time, */
    MOST_SCORES = 1 << 22, /* and floats of their scores, unless a single text has more */
    MOST_KEPT = 1 << 23,   /* bytes of memory that a kernel keeps for the next call */
    AHEAD = 8,             /* texts between the one that is collected and the one that is fetched */
    N_CODES = 0x110000
};
enum { LOGITS, PROBABILITIES, LABELS };          /* what `predict` writes */
enum { BYTES, KINDS, TABLE, NUMBERS, N_ARRAYS }; /* what a kernel borrows from Python */

/* Items of arrays, and the letters by which buffers call them on any platform. */
typedef struct { Py_ssize_t size; const char *formats; } Item;
static const Item of_uint8 = {1, "B"}, of_uint32 = {4, "IL"}, of_int32 = {4, "il"}, of_int64 = {8, "lq"};
static const Item of_float32 = {4, "f"};

/* `str.isascii`. The limited API has no other way that neither copies the text nor is slow. */
static PyCFunction str_isascii;

/* What one call needs. A kernel keeps one for the next call. */
typedef struct {
    Text texts[BATCH];
    PyObject *owners[BATCH]; /* the objects that keep the texts' bytes alive */
    size_t n_texts;
    Buffer buffers[N_BUFFERS];
} Job;

typedef struct {
    PyObject_HEAD
    Words words;
    Network net;
    Py_buffer arrays[N_ARRAYS];
    /* learn(code) fills in the kind of a character, and of others around it; what stays UNSEEN is read
       as BLANK. It is a function of a module and holds no kernel, so no cycle needs to be collected. */
    PyObject *learn;
    Job *spare;
} Kernel;

/* Set an error, and return 0. */
static int refuse(const char *message) {
    PyErr_SetString(PyExc_ValueError, message);
    return 0;
}

static int out_of_memory(void) {
    PyErr_NoMemory();
    return 0;
}

/* Get an array, and its number of items. If that fails, to release the view does nothing. */
static int get_array(PyObject *object, Py_buffer *view, const Item *item, int flags, size_t *n) {
    view->obj = NULL;
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | flags) < 0)
        return 0;
    const char *format = view->format ? view->format : "B";
    *n = (size_t)(view->len / item->size);
    if (view->itemsize == item->size && strlen(format) == 1 && strchr(item->formats, format[0])
        && (uintptr_t)view->buf % (size_t)item->size == 0)
        return 1;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_TypeError, "the array has items of another type, or they are not aligned");
    return 0;
}

/* ---- Collecting texts */

static void release_texts(Job *job) {
    while (job->n_texts)
        Py_DECREF(job->owners[--job->n_texts]);
}

static void free_job(Job *job) {
    if (job) {
        for (int i = 0; i < N_BUFFERS; i++)
            free(job->buffers[i].memory);
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
    size_t kept = 0;
    release_texts(job);
    for (int i = 0; i < N_BUFFERS; i++)
        kept += job->buffers[i].size;
    if (self->spare || kept > MOST_KEPT)
        free_job(job);
    else
        self->spare = job;
}

/* Return a str as UTF-8 in a new bytes object, lower-cased if the words are, once the kinds of its
   characters are known. (`PyUnicode_AsUTF8AndSize` would leave a copy in the str.) */
static PyObject *encoded(Kernel *self, PyObject *text, char **bytes, Py_ssize_t *n) {
    PyObject *lowered = self->words.lowercase ? PyObject_CallMethod(text, "lower", NULL) : Py_NewRef(text);
    PyObject *utf8 = lowered ? PyUnicode_AsEncodedString(lowered, "utf-8", "surrogatepass") : NULL;
    Py_XDECREF(lowered);
    int done = utf8 && PyBytes_AsStringAndSize(utf8, bytes, n) == 0;
    for (Py_ssize_t at = 0; done && at < *n;) {
        uint32_t code;
        at += decode((uint8_t *)*bytes + at, &code);
        if (self->words.kinds[code] != UNSEEN)
            continue;
        PyObject *known = PyObject_CallFunction(self->learn, "I", code);
        done = known != NULL;
        Py_XDECREF(known);
    }
    if (!done)
        Py_CLEAR(utf8);
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
    PyObject *flag = str_isascii(object, NULL);
    if (!flag)
        return 0;
    text->is_ascii = flag == Py_True;
    Py_DECREF(flag);
    PyObject *owner = text->is_ascii ? Py_NewRef(object) : encoded(self, object, &bytes, &n);
    if (!owner)
        return 0;
    job->owners[job->n_texts++] = owner;
    if (text->is_ascii && !(bytes = (char *)PyUnicode_AsUTF8AndSize(object, &n)))
        return 0;
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
        /* Owned, because Python code may run in between and empty the list. */
        PyObject *text = Py_XNewRef(PyList_GetItem(list, i));
        int added = text && add_text(self, job, text);
        Py_XDECREF(text);
        if (!added)
            return 0;
    }
    return PyErr_CheckSignals() == 0;
}

/* ---- Building a kernel */

static void kernel_dealloc(PyObject *object) {
    Kernel *self = (Kernel *)object;
    PyTypeObject *type = Py_TYPE(object);
    free(self->words.entries), free(self->words.heads[0]), free(self->words.heads[1]);
    free(self->net.steps);
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
    if (!get_array(bytes, &self->arrays[BYTES], &of_uint8, 0, &n_bytes)
        || !get_array(starts, &view, &of_uint32, 0, &n_starts))
        return 0;
    int fits = n_starts > 0 && n_starts < INT32_MAX && n_bytes >= SPARE;
    if (fits && (words->entries = calloc(n_starts + 1, sizeof(Entry)))) {
        Entry *entries = words->entries;
        for (size_t i = 0; i < n_starts; i++) {
            entries[i + 1].start = ((const uint32_t *)view.buf)[i];
            fits &= entries[i].start <= entries[i + 1].start;
        }
        fits &= entries[n_starts].start <= n_bytes - SPARE;
    }
    PyBuffer_Release(&view);
    words->n_words = (uint32_t)n_starts - 1;
    words->bytes = self->arrays[BYTES].buf;
    if (!fits)
        return refuse("the words do not fit");
    return words->entries ? 1 : out_of_memory();
}

static int fill_kernel(Kernel *self, PyObject *bytes, PyObject *starts, PyObject *kinds, uint64_t seed) {
    size_t n_kinds;
    if (!read_words(self, bytes, starts) || !get_array(kinds, &self->arrays[KINDS], &of_uint8, 0, &n_kinds))
        return 0;
    if (n_kinds != N_CODES)
        return refuse("every character must have a kind");
    self->words.kinds = self->arrays[KINDS].buf;
    int indexed = index_words(&self->words, seed);
    if (!indexed)
        return refuse("no hash table holds these words");
    return indexed > 0 ? 1 : out_of_memory();
}

/* Kernel(bytes, starts, lowercase, seed, kinds, learn): look up words. */
static PyObject *kernel_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"bytes", "starts", "lowercase", "seed", "kinds", "learn", NULL};
    PyObject *bytes, *starts, *kinds, *learn;
    int lowercase;
    unsigned long long seed;
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "OOpKOO", names, &bytes, &starts, &lowercase, &seed, &kinds, &learn))
        return NULL;
    Kernel *self = (Kernel *)((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0); /* zeros */
    if (!self)
        return NULL;
    self->learn = Py_NewRef(learn);
    self->words.lowercase = lowercase;
    if (!fill_kernel(self, bytes, starts, kinds, seed))
        Py_CLEAR(self);
    return (PyObject *)self;
}

static int within(size_t n, int64_t start, int64_t size) {
    return start >= 0 && size > 0 && (uint64_t)start <= n && (uint64_t)size <= n - (uint64_t)start;
}

/* Return whether a size is positive, and so small that the product of two fits 64 bits. */
static int is_size(int64_t n) { return n > 0 && n <= INT32_MAX; }

/* Check all places and sizes of a network's steps; return its number of outputs, or -1. */
static int64_t check_steps(Network *net, size_t n_numbers) {
    int64_t n = (int64_t)net->n_hidden;
    int was_layer = 0;
    for (const Step *step = net->steps; step < net->steps + net->n_steps; step++) {
        int64_t n_outputs = step->n_outputs, n_inputs = step->n_inputs, width = step->width;
        int64_t places = step->places;
        int is_layer = step->how == LAYER, has_matrix = step->matrix != -1;
        if (n_outputs % 4 || !is_size(n_outputs) || !is_size(n_inputs)
            || (has_matrix && !within(n_numbers, step->matrix, n_inputs * n_outputs)))
            return -1;
        if (is_layer && !(has_matrix && n_inputs <= n && within(n_numbers, step->bias, n_outputs)))
            return -1;
        if (!is_layer && (was_layer || step->how < MEAN || step->how > ATTENTION || n_outputs != n
            || width % 4 || !within(net->n_columns, step->column, width) || n_inputs > width
            || (step->how == ATTENTION && (places || !net->window)) || (!has_matrix && width != n)))
            return -1;
        if (places && (is_layer || !within(net->n_columns / (size_t)width, 0, places)
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

/* Return whether zeros are where sums over windows rely on them, lest a text's scores depend on its
   neighbours: in the last row, and behind the first `window` columns of each row. */
static int has_zeros(const Network *net) {
    const float *row = net->table;
    int all = 1;
    for (size_t i = 1; i < net->n_rows; i++, row += net->n_columns)
        for (size_t c = net->window; c % 4; c++)
            all &= row[c] == 0;
    for (size_t c = 0; c < net->n_columns; c++)
        all &= row[c] == 0;
    return all;
}

/* Check a network whose arrays and sizes are filled in, and fill in the rest. */
static int fill_network(Network *net, size_t n_cells, size_t n_numbers) {
    int64_t n_hidden = (int64_t)net->n_hidden, n_classes = (int64_t)net->n_classes;
    net->n_columns = n_cells / net->n_rows;
    net->half = net->window / 2;
    net->widest = net->n_hidden;
    if (net->n_columns * net->n_rows != n_cells || net->n_columns % 4
        || (net->window && (net->window % 2 == 0 || net->window > net->n_columns)))
        return refuse("the table does not fit");
    if (!has_zeros(net))
        return refuse("the table has no zeros where they must be");
    if (n_hidden % 4 || !is_size(n_hidden) || !is_size(n_classes)
        || !within(n_numbers, n_hidden, (n_classes + 3) / 4 * 4))
        return refuse("the classes do not fit");
    return check_steps(net, n_numbers) == (n_classes + 3) / 4 * 4 || refuse("the steps do not fit");
}

/* Copy the steps, so that they stay as they are checked. */
static int copy_steps(PyObject *object, Network *net) {
    Py_buffer view;
    size_t n_fields;
    if (!get_array(object, &view, &of_int64, 0, &n_fields))
        return 0;
    net->n_steps = n_fields * sizeof(int64_t) / sizeof(Step);
    if ((net->steps = calloc(net->n_steps + 1, sizeof(Step))))
        memcpy(net->steps, view.buf, net->n_steps * sizeof(Step));
    PyBuffer_Release(&view);
    if (!net->steps)
        return out_of_memory();
    return n_fields * sizeof(int64_t) % sizeof(Step) == 0 || refuse("the steps do not fit");
}

/* set_network(table, window, may_overflow, steps, numbers, n_hidden, n_classes, multilabel): see
   `Network`. The table and the numbers are not copied. */
static PyObject *set_network(PyObject *object, PyObject *args) {
    Kernel *self = (Kernel *)object;
    Network net = {.n_rows = (size_t)self->words.n_words + 2};
    PyObject *table, *steps, *numbers;
    Py_buffer views[2] = {{0}, {0}};
    Py_ssize_t window, n_hidden, n_classes;
    size_t n_cells, n_numbers;
    if (!PyArg_ParseTuple(args, "OnpOOnnp", &table, &window, &net.may_overflow, &steps, &numbers,
                          &n_hidden, &n_classes, &net.multilabel))
        return NULL;
    net.window = (size_t)window;
    net.n_hidden = (size_t)n_hidden;
    net.n_classes = (size_t)n_classes;
    int done = get_array(table, &views[0], &of_float32, 0, &n_cells)
        && get_array(numbers, &views[1], &of_float32, 0, &n_numbers) && copy_steps(steps, &net);
    net.table = views[0].buf;
    net.numbers = views[1].buf;
    done = done && fill_network(&net, n_cells, n_numbers);
    if (done && self->net.n_classes)
        done = refuse("the network is set already");
    if (!done) {
        free(net.steps);
        PyBuffer_Release(&views[0]);
        PyBuffer_Release(&views[1]);
        return NULL;
    }
    self->net = net;
    self->arrays[TABLE] = views[0];
    self->arrays[NUMBERS] = views[1];
    Py_RETURN_NONE;
}

/* ---- Using a kernel */

/* Write the labels of n texts: numbers of classes, or ones and zeros. */
static void write_labels(const Network *net, const float *scores, size_t n, int64_t *labels) {
    size_t n_classes = net->n_classes;
    if (net->multilabel) {
        for (size_t c = 0; c < n * n_classes; c++)
            labels[c] = scores[c] > 0;
        return;
    }
    for (size_t i = 0; i < n; i++, scores += n_classes) {
        size_t best = 0;
        for (size_t c = 1; c < n_classes; c++)
            best = scores[c] > scores[best] ? c : best;
        labels[i] = (int64_t)best;
    }
}

static void answer(const Network *net, long wanted, const float *scores, size_t n, void *to) {
    size_t n_classes = net->n_classes;
    if (wanted == LABELS)
        write_labels(net, scores, n, to);
    else if (wanted == LOGITS)
        memcpy(to, scores, n * n_classes * sizeof(float));
    else
        for (size_t at = 0; at < n * n_classes; at += n_classes)
            to_probabilities(scores + at, n_classes, net->multilabel, (float *)to + at);
}

/* predict(texts, start, stop, out, wanted): fill in rows `start` to `stop` of an array. The arguments
   come without a tuple, which saves an eighth of the time of a single text. */
static PyObject *predict(PyObject *object, PyObject *const *args, Py_ssize_t n_args) {
    Kernel *self = (Kernel *)object;
    const Network *net = &self->net;
    Py_buffer out;
    size_t n_items;
    if (n_args != 5 || !PyList_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "predict needs a list and four more arguments");
        return NULL;
    }
    PyObject *list = args[0], *array = args[3];
    Py_ssize_t start = PyLong_AsSsize_t(args[1]), stop = PyLong_AsSsize_t(args[2]);
    long wanted = PyLong_AsLong(args[4]);
    if (PyErr_Occurred())
        return NULL;
    if (!net->n_classes || wanted < LOGITS || wanted > LABELS) {
        refuse(net->n_classes ? "there is no such answer" : "the kernel has no network");
        return NULL;
    }
    const Item *item = wanted == LABELS ? &of_int64 : &of_float32;
    size_t width = wanted == LABELS && !net->multilabel ? 1 : net->n_classes;
    size_t most = MOST_SCORES / net->n_classes + 1;
    most = most < BATCH ? most : BATCH;
    if (!get_array(array, &out, item, PyBUF_WRITABLE, &n_items))
        return NULL;
    float *scores = NULL;
    Job *job = NULL;
    if (start < 0 || stop < start || (size_t)stop > n_items / width)
        refuse("the array does not have these rows");
    else if ((job = take_job(self))
             && !(scores = reserve(&job->buffers[SCORES], most * net->n_classes, sizeof(float))))
        PyErr_NoMemory();
    for (Py_ssize_t n; job && !PyErr_Occurred() && start < stop; start += n) {
        n = stop - start < (Py_ssize_t)most ? stop - start : (Py_ssize_t)most;
        if (!collect(self, job, list, start, start + n))
            break;
        int done;
        char *to = (char *)out.buf + (size_t)(start * item->size) * width;
        Py_BEGIN_ALLOW_THREADS
        done = score_texts(&self->words, net, job->texts, (size_t)n, job->buffers, scores);
        if (done)
            answer(net, wanted, scores, (size_t)n, to);
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
   number of all, -1 if memory is short, or -2 if room is. Needs no lock. */
static Py_ssize_t encode_job(const Words *words, Job *job, int64_t *lengths, uint32_t *ids, size_t room) {
    Buffer *buffers = job->buffers;
    uint32_t counts[BLOCK_TEXTS];
    size_t n_ids = 0;
    for (size_t first = 0, n_cut; first < job->n_texts; first += n_cut) {
        size_t n_tokens = 0;
        if (!(n_cut = cut_block(words, job->texts + first, job->n_texts - first, buffers, counts)))
            return -1;
        for (size_t i = 0; i < n_cut; i++)
            n_tokens += (size_t)(lengths[first + i] = counts[i]);
        if (n_ids + n_tokens > room)
            return -2;
        uint32_t *later = reserve(&buffers[WEIGHTS], n_tokens, sizeof(uint32_t));
        if (!later)
            return -1;
        /* No rows are needed, so a few bytes that are at hand are fetched again and again. */
        look_up(words, buffers[LOWERED].memory, buffers[STARTS].memory, buffers[ENDS].memory, n_tokens,
                ids + n_ids, later, buffers[LOWERED].memory, 0);
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
    if (!get_array(lengths_array, &lengths, &of_int64, PyBUF_WRITABLE, &n_rows))
        return NULL;
    Job *job = get_array(ids_array, &ids, &of_int32, PyBUF_WRITABLE, &room) ? take_job(self) : NULL;
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
    if (found == -1)
        PyErr_NoMemory();
    else if (found < 0)
        refuse("the array is too short for the ids");
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(n_ids);
}

static PyMethodDef methods[] = {
    {"set_network", set_network, METH_VARARGS, NULL},
    {"predict", (PyCFunction)(void (*)(void))predict, METH_FASTCALL, NULL},
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
    PyObject *type = method ? PyType_FromSpec(&spec) : NULL;
    /* The function itself, which takes the str instead of `empty`. */
    if (type && PyCFunction_Check(method) && PyCFunction_GetFlags(method) == METH_NOARGS)
        str_isascii = PyCFunction_GetFunction(method);
    else if (type)
        PyErr_SetString(PyExc_ImportError, "str.isascii is not what skdistill expects");
    int done = !PyErr_Occurred() && !PyModule_AddObjectRef(module, "Kernel", type)
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
