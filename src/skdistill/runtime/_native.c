/* The Python side of `_native.h`: lists of str in, NumPy arrays out.

Only the limited API of Python 3.11 is used, so that one wheel serves all later versions. Texts are
collected while the interpreter's lock is held, a batch at a time, and processed without it. */
#define PY_SSIZE_T_CLEAN
#ifndef Py_GIL_DISABLED
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

#include "_native.h"
#ifndef SOURCE_HASH
#define SOURCE_HASH 0 /* the build sets it */
#endif

enum { BATCH = 256, AHEAD = 8, N_CODES = 0x110000, LARGE = 1 << 20 };
enum { LOGITS, PROBABILITIES, LABELS }; /* what `answer` writes */

/* The kinds of all characters. Python defines them; 256 at a time are filled in when a text has one
   of them, while the lock is held. */
static uint8_t *kinds;
/* `str.isascii`. The limited API has no other way that neither copies nor is slow. */
static PyCFunction str_isascii;

/* What one call needs. A kernel keeps one for the next call. */
typedef struct {
    Text texts[BATCH];
    PyObject *owners[BATCH]; /* the objects that keep the texts' bytes alive */
    size_t n_texts;
    Scratch scratch;
    float *scores;
} Job;

typedef struct {
    PyObject_HEAD
    Words words;
    Network net;
    Py_buffer table, steps, numbers; /* of the network; NumPy owns them */
    PyObject *kinds_of;
    Job *spare;
} Kernel;

static void release_texts(Job *job) {
    for (size_t i = 0; i < job->n_texts; i++)
        Py_DECREF(job->owners[i]);
    job->n_texts = 0;
}

static void free_job(Job *job) {
    if (job) {
        free_scratch(&job->scratch);
        free(job->scores);
        free(job);
    }
}

/* Calls are concurrent, but take and give back jobs with the lock held. */
static Job *take_job(Kernel *self) {
    Job *job = self->spare;
    self->spare = NULL;
    if (!job && !(job = calloc(1, sizeof(Job))))
        PyErr_NoMemory();
    return job;
}

static void give_back(Kernel *self, Job *job) {
    release_texts(job);
    if (self->spare || job->scratch.n_bytes > LARGE || job->scratch.n_places > LARGE)
        free_job(job);
    else
        self->spare = job;
}

/* Ask Python for the kinds of the characters of valid UTF-8 that were not seen before. */
static int learn_kinds(Kernel *self, const uint8_t *bytes, size_t n) {
    for (size_t at = 0; at < n;) {
        uint32_t code;
        at += (size_t)decode(bytes + at, &code);
        if (kinds[code] != UNSEEN)
            continue;
        char *found;
        Py_ssize_t size;
        PyObject *page = PyObject_CallFunction(self->kinds_of, "I", code & ~255u);
        if (!page || PyBytes_AsStringAndSize(page, &found, &size) < 0 || size != 256) {
            Py_XDECREF(page);
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_ValueError, "the kinds of 256 characters are needed");
            return 0;
        }
        memcpy(kinds + (code & ~255u), found, 256);
        Py_DECREF(page);
        if (kinds[code] < MARK || kinds[code] > BLANK) {
            PyErr_SetString(PyExc_ValueError, "there is no such kind of character");
            return 0;
        }
    }
    return 1;
}

/* Encode a str as UTF-8, with surrogates, in a new bytes object. (`PyUnicode_AsUTF8AndSize` would
   keep a copy for as long as the str lives.) */
static PyObject *encoded(PyObject *text) {
    return PyUnicode_AsEncodedString(text, "utf-8", "surrogatepass");
}

/* Add a text to a job, and keep it alive. */
static int add_text(Kernel *self, Job *job, PyObject *object) {
    if (!PyUnicode_CheckExact(object)) {
        PyErr_SetString(PyExc_TypeError, "every text must be a str");
        return 0;
    }
    Text *text = &job->texts[job->n_texts];
    PyObject *owner, *flag = str_isascii(object, NULL);
    char *bytes;
    Py_ssize_t n;
    text->is_ascii = flag == Py_True;
    Py_XDECREF(flag);
    if (text->is_ascii) {
        /* The str's own bytes: nothing is copied. */
        if (!(bytes = (char *)PyUnicode_AsUTF8AndSize(object, &n)))
            return 0;
        owner = object;
        Py_INCREF(owner);
    } else {
        PyObject *lowered = self->words.lowercase ? PyObject_CallMethod(object, "lower", NULL) : object;
        owner = lowered ? encoded(lowered) : NULL;
        if (lowered != object)
            Py_XDECREF(lowered);
        if (!owner)
            return 0;
        if (PyBytes_AsStringAndSize(owner, &bytes, &n) < 0 || !learn_kinds(self, (uint8_t *)bytes, (size_t)n)) {
            Py_DECREF(owner);
            return 0;
        }
    }
    text->bytes = (const uint8_t *)bytes;
    text->n_bytes = (size_t)n;
    job->owners[job->n_texts++] = owner;
    if (text->n_bytes > MAX_TEXT_BYTES) {
        PyErr_SetString(PyExc_MemoryError, "a text is longer than 1 GiB");
        return 0;
    }
    return 1;
}

/* Collect the texts from `start` up to a batch. The list may change between calls. */
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
    free(self->words.entries), free(self->words.bytes);
    free(self->words.heads[0]), free(self->words.heads[1]);
    free_job(self->spare);
    PyBuffer_Release(&self->table); /* does nothing where nothing was set */
    PyBuffer_Release(&self->steps);
    PyBuffer_Release(&self->numbers);
    Py_XDECREF(self->kinds_of);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* Copy the bytes of all words, one behind the other. */
static int copy_words(Words *words, PyObject *features) {
    Py_ssize_t n_words = PyList_Size(features), n;
    size_t size = 0, room = 1 << 12;
    if (n_words < 0 || n_words >= INT32_MAX)
        return 0;
    words->n_words = (uint32_t)n_words;
    words->entries = calloc((size_t)n_words + 2, sizeof(Entry));
    words->bytes = malloc(room + SPARE);
    for (Py_ssize_t i = 0; words->entries && words->bytes && i < n_words; i++) {
        char *bytes;
        PyObject *word = PyList_GetItem(features, i), *utf8 = word ? encoded(word) : NULL;
        if (!utf8 || PyBytes_AsStringAndSize(utf8, &bytes, &n) < 0) {
            Py_XDECREF(utf8);
            return 0;
        }
        if (size + (size_t)n > room) {
            room = 2 * (size + (size_t)n);
            uint8_t *larger = room <= UINT32_MAX ? realloc(words->bytes, room + SPARE) : NULL;
            if (!larger) {
                Py_DECREF(utf8);
                return 0;
            }
            words->bytes = larger;
        }
        words->entries[i + 1].start = (uint32_t)size;
        memcpy(words->bytes + size, bytes, (size_t)n);
        size += (size_t)n;
        Py_DECREF(utf8);
    }
    if (!words->entries || !words->bytes)
        return 0;
    memset(words->bytes + size, 0, SPARE);
    words->entries[n_words + 1].start = (uint32_t)size;
    return 1;
}

/* Kernel(features, lowercase, seed, kinds_of): look up words, whose ids follow their order from 1. */
static PyObject *kernel_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    PyObject *features, *kinds_of;
    int lowercase;
    unsigned long long seed;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "O!pKO", &PyList_Type, &features, &lowercase, &seed, &kinds_of))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Kernel *self = (Kernel *)allocate(type, 0); /* filled with zeros */
    if (!self)
        return NULL;
    Py_INCREF(kinds_of);
    self->kinds_of = kinds_of;
    self->words.lowercase = lowercase;
    if (!copy_words(&self->words, features) || !index_words(&self->words, seed)) {
        Py_DECREF(self);
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "no hash table holds these words");
        return NULL;
    }
    return (PyObject *)self;
}

/* Get an array of 4-byte or 8-byte numbers as C sees it, and its length. */
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

static PyObject *refuse(const char *message) {
    if (!PyErr_Occurred())
        PyErr_SetString(PyExc_ValueError, message);
    return NULL;
}

/* Return whether `size` floats from `start` are within `numbers`, for sizes below 2**31. */
static int within(size_t n_numbers, int64_t start, int64_t size) {
    return start >= 0 && (uint64_t)start <= n_numbers && (uint64_t)size <= n_numbers - (uint64_t)start;
}

/* Check all places and sizes of a network; return its number of padded outputs, or -1. */
static int64_t check_steps(Network *net, size_t n_numbers) {
    int64_t n = (int64_t)net->n_hidden, most = INT32_MAX;
    int behind_poolings = 0;
    for (const Step *step = net->steps; step < net->steps + net->n_steps; step++) {
        int64_t outputs = step->n_outputs;
        if (outputs <= 0 || outputs % 4 || outputs > most || step->n_inputs <= 0 || step->n_inputs > most)
            return -1;
        if (step->matrix != -1 && !within(n_numbers, step->matrix, step->n_inputs * outputs))
            return -1;
        if (step->how == LAYER) {
            if (step->n_inputs > n || step->matrix < 0 || !within(n_numbers, step->bias, outputs))
                return -1;
            n = outputs;
            behind_poolings = 1;
        } else {
            if (step->how < MEAN || step->how > LAYER || (step->how == ATTENTION && !net->window)
                || behind_poolings || step->width <= 0 || step->width % 4 || step->width > most
                || !within(net->n_columns, step->column, step->width) || step->n_inputs > step->width
                || outputs != n || (step->matrix < 0 && step->width != n))
                return -1;
        }
        int64_t wide = outputs > step->width ? outputs : step->width;
        net->widest = (size_t)wide > net->widest ? (size_t)wide : net->widest;
    }
    return n;
}

/* set_network(table, window, may_overflow, steps, numbers, n_hidden, n_classes, multilabel): see
   `Network`. Nothing is copied; every index is checked. */
static PyObject *set_network(PyObject *object, PyObject *args) {
    Kernel *self = (Kernel *)object;
    Network net = {0};
    PyObject *table, *steps, *numbers;
    Py_ssize_t window, n_hidden, n_classes;
    size_t n_cells, n_fields, n_numbers, padded;
    if (!PyArg_ParseTuple(args, "OnpOOnnp", &table, &window, &net.may_overflow, &steps, &numbers,
                          &n_hidden, &n_classes, &net.multilabel))
        return NULL;
    if (self->net.n_classes || self->table.obj)
        return refuse("the network is set already");
    if (!get_array(table, &self->table, 4, 0, &n_cells) || !get_array(steps, &self->steps, 8, 0, &n_fields)
        || !get_array(numbers, &self->numbers, 4, 0, &n_numbers))
        return NULL;
    net.n_rows = (size_t)self->words.n_words + 2;
    net.n_columns = n_cells / net.n_rows;
    if (net.n_columns * net.n_rows != n_cells || !net.n_columns || net.n_columns % 4)
        return refuse("the table has another shape");
    if (window < 0 || (window && window % 2 == 0) || (size_t)window > net.n_columns
        || ((size_t)window + 3) / 4 * 4 > net.n_columns)
        return refuse("the window does not fit");
    padded = ((size_t)n_classes + 3) & ~(size_t)3;
    if (n_classes <= 0 || n_classes >= INT32_MAX || n_hidden <= 0 || n_hidden % 4 || n_hidden >= INT32_MAX
        || !within(n_numbers, n_hidden, (int64_t)padded))
        return refuse("the classes do not fit");
    net.table = self->table.buf;
    net.steps = self->steps.buf;
    net.numbers = self->numbers.buf;
    net.window = (size_t)window;
    net.half = net.window / 2;
    net.n_steps = n_fields * sizeof(int64_t) / sizeof(Step);
    net.n_classes = (size_t)n_classes;
    net.n_hidden = net.widest = (size_t)n_hidden;
    if (n_fields * sizeof(int64_t) % sizeof(Step) || check_steps(&net, n_numbers) != (int64_t)padded)
        return refuse("the steps do not fit");
    self->net = net;
    Py_RETURN_NONE;
}

/* ---- Using a kernel */

/* Write the answers to n texts. Labels are numbers of classes, or ones and zeros. */
static void answer(const Network *net, int wanted, float *scores, size_t n, void *to) {
    size_t n_classes = net->n_classes;
    for (size_t i = 0; i < n; i++, scores += n_classes) {
        if (wanted == LABELS && net->multilabel) {
            for (size_t c = 0; c < n_classes; c++)
                ((int64_t *)to)[i * n_classes + c] = scores[c] > 0;
        } else if (wanted == LABELS) {
            size_t best = 0;
            for (size_t c = 1; c < n_classes; c++)
                best = scores[c] > scores[best] ? c : best;
            ((int64_t *)to)[i] = (int64_t)best;
        } else if (wanted == PROBABILITIES)
            to_probabilities(scores, n_classes, net->multilabel, (float *)to + i * n_classes);
        else
            memcpy((float *)to + i * n_classes, scores, n_classes * sizeof(float));
    }
}

/* predict(texts, start, stop, out, wanted): fill in rows `start` to `stop` of an array. */
static PyObject *predict(PyObject *object, PyObject *args) {
    Kernel *self = (Kernel *)object;
    Network *net = &self->net;
    PyObject *list, *array;
    Py_ssize_t start, stop;
    int wanted, done = 1;
    Py_buffer out;
    size_t n_numbers;
    if (!PyArg_ParseTuple(args, "O!nnOi", &PyList_Type, &list, &start, &stop, &array, &wanted))
        return NULL;
    if (!net->n_classes)
        return refuse("the kernel is not complete");
    Py_ssize_t itemsize = wanted == LABELS ? 8 : 4;
    if (!get_array(array, &out, itemsize, PyBUF_WRITABLE, &n_numbers))
        return NULL;
    size_t width = wanted == LABELS && !net->multilabel ? 1 : net->n_classes;
    Job *job = NULL;
    if (start < 0 || stop < start || (size_t)stop > n_numbers / width)
        PyErr_SetString(PyExc_ValueError, "the array does not have these rows");
    else
        job = take_job(self);
    size_t most = LARGE / net->n_classes + 1;
    most = most < BATCH ? most : BATCH;
    if (job && !job->scores && !(job->scores = malloc(most * net->n_classes * sizeof(float))))
        PyErr_NoMemory();
    while (job && !PyErr_Occurred() && start < stop) {
        size_t n = (size_t)(stop - start) < most ? (size_t)(stop - start) : most;
        if (!collect(self, job, list, start, start + (Py_ssize_t)n))
            break;
        char *to = (char *)out.buf + (size_t)start * width * (size_t)itemsize;
        Py_BEGIN_ALLOW_THREADS
        done = score_texts(&self->words, kinds, net, job->texts, n, &job->scratch, job->scores);
        if (done)
            answer(net, wanted, job->scores, n, to);
        Py_END_ALLOW_THREADS
        if (!done)
            PyErr_NoMemory();
        start += (Py_ssize_t)n;
    }
    if (job)
        give_back(self, job);
    PyBuffer_Release(&out);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

/* Append the ids of a job's texts to `ids`. Needs no lock. Returns 0 if memory is short. */
static int encode_texts(
    const Words *words, Job *job, int64_t *lengths, int32_t **ids, size_t *n_ids, size_t *room
) {
    Scratch *s = &job->scratch;
    uint32_t counts[BLOCK_TEXTS];
    for (size_t first = 0, n_cut; first < job->n_texts; first += n_cut) {
        size_t n_tokens = 0;
        if (!(n_cut = cut_block(words, kinds, job->texts + first, job->n_texts - first, s, counts)))
            return 0;
        for (size_t i = 0; i < n_cut; i++)
            n_tokens += (size_t)(lengths[first + i] = counts[i]);
        if (!reserve_places(s, n_tokens, 0))
            return 0;
        if (*n_ids + n_tokens > *room) {
            size_t more = 2 * (*n_ids + n_tokens);
            int32_t *larger = realloc(*ids, more * sizeof(int32_t));
            if (!larger)
                return 0;
            *ids = larger;
            *room = more;
        }
        look_up(words, s->text, s->starts, s->ends, n_tokens, (uint32_t *)*ids + *n_ids,
                (uint32_t *)s->scores, NULL, 0);
        *n_ids += n_tokens;
    }
    return 1;
}

/* encode(texts, lengths): return all ids in a bytearray; fill in each text's number of ids. */
static PyObject *encode(PyObject *object, PyObject *args) {
    Kernel *self = (Kernel *)object;
    PyObject *list, *array, *found = NULL;
    Py_buffer lengths;
    size_t n_rows, n_ids = 0, room = 0;
    int32_t *ids = NULL;
    int done = 1;
    if (!PyArg_ParseTuple(args, "O!O", &PyList_Type, &list, &array))
        return NULL;
    if (!get_array(array, &lengths, 8, PyBUF_WRITABLE, &n_rows))
        return NULL;
    Job *job = take_job(self);
    for (size_t start = 0, n; job && done && start < n_rows; start += n) {
        n = n_rows - start < BATCH ? n_rows - start : BATCH;
        if (!collect(self, job, list, (Py_ssize_t)start, (Py_ssize_t)(start + n)))
            break;
        Py_BEGIN_ALLOW_THREADS
        done = encode_texts(&self->words, job, (int64_t *)lengths.buf + start, &ids, &n_ids, &room);
        Py_END_ALLOW_THREADS
    }
    if (!done)
        PyErr_NoMemory();
    if (job)
        give_back(self, job);
    PyBuffer_Release(&lengths);
    if (!PyErr_Occurred())
        found = PyByteArray_FromStringAndSize((char *)ids, (Py_ssize_t)(n_ids * sizeof(int32_t)));
    free(ids);
    return found;
}

static PyMethodDef methods[] = {
    {"set_network", set_network, METH_VARARGS, NULL},
    {"predict", predict, METH_VARARGS, NULL},
    {"encode", encode, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_doc, "Texts to ids and to class scores; see `skdistill.runtime._kernel`."},
    {Py_tp_new, kernel_new},
    {Py_tp_dealloc, kernel_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};
static PyType_Spec spec = {
    "skdistill.runtime._native.Kernel", sizeof(Kernel), 0, Py_TPFLAGS_DEFAULT, slots,
};

static int fill_module(PyObject *module) {
    if (!kinds && !(kinds = calloc(N_CODES, 1))) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject *empty = PyUnicode_FromString("");
    PyObject *method = empty ? PyObject_GetAttrString(empty, "isascii") : NULL;
    if (method && PyCFunction_Check(method) && PyCFunction_GetFlags(method) == METH_NOARGS)
        str_isascii = PyCFunction_GetFunction(method);
    Py_XDECREF(method);
    Py_XDECREF(empty);
    if (!str_isascii) {
        PyErr_SetString(PyExc_ImportError, "str.isascii is not the function that skdistill knows");
        return -1;
    }
    PyObject *type = PyType_FromSpec(&spec);
    int failed = !type || PyModule_AddObjectRef(module, "Kernel", type) < 0
        || PyModule_AddIntConstant(module, "source_hash", SOURCE_HASH) < 0;
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, fill_module}, {0, NULL}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_native", NULL, 0, NULL, module_slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&definition); }
