/*
 * A library with the entries of NVIDIA's cuBLASLt that libcublaslt.ts calls, without a GPU. What it is told of a product it keeps as it arrives, and multiplies at once, by that alone, on the
 * memory of the driver of fake-libcuda.c, which is the host's: so a matrix that is described wrongly gives a wrong product. It writes down the calls, and fails when it is told to.
 * Signatures and numbers: NVIDIA, cublasLt.h, cublas_api.h and library_types.h.
 */
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int Status;
enum { SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
enum { R_32F = 0, R_16F = 2, R_16BF = 14, COMPUTE_32F = 68 };

/* ---- what the tests ask ---- */

static char written[1 << 16];
static size_t length;
static char failing[64];
static int fail_at, fail_with, found = 1, found_status;
static long long live_handles;

static void note(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int more = vsnprintf(written + length, sizeof written - length, format, arguments);
  va_end(arguments);
  if (more > 0 && length + (size_t)more < sizeof written) length += (size_t)more;
}

const char *fake_log(void) { return written; }
void fake_clear(void) { length = 0, written[0] = 0; }
/* The nth call from now on of that name gives the status. */
void fake_fail(const char *name, int nth, int status) {
  snprintf(failing, sizeof failing, "%s", name);
  fail_at = nth, fail_with = status;
}
void fake_set_found(int count, int status) { found = count, found_status = status; }
long long fake_live_handles(void) { return live_handles; }
void fake_reset(void) {
  fake_clear();
  failing[0] = 0, fail_at = 0, found = 1, found_status = SUCCESS;
}

static int told_to_fail(const char *name) {
  if (fail_at == 0 || strcmp(failing, name) != 0) return 0;
  return --fail_at == 0;
}

/* Notes a call, and fails it when that was asked for. */
#define CALL(name, ...)                                                                                                                    \
  do {                                                                                                                                     \
    note(name " " __VA_ARGS__);                                                                                                            \
    note("\n");                                                                                                                            \
    if (told_to_fail(name)) return fail_with;                                                                                              \
  } while (0)

/* ---- handles ---- */

typedef struct {
  uint32_t kind; /* of which handle it is; 0 when it was destroyed */
  int transposes[2], type, batch;
  uint64_t rows, columns, workspace;
  int64_t apart, stride;
  uint32_t reductions, alignments[4];
} Object;

/* In the library's own memory, which is mapped high: handles that lose their upper half are none. They are not used again, so old ones are none either. */
static Object objects[16384];

static Object *make(uint32_t kind) {
  static size_t used;
  if (used == sizeof objects / sizeof *objects) abort();
  Object *object = &objects[used++];
  object->kind = kind;
  live_handles++;
  return object;
}
static int is(Object *object, uint32_t kind) { return object != NULL && object->kind == kind; }
static Status destroy(Object *object) { return object->kind = 0, live_handles--, SUCCESS; }
#define NEED(object, of)                                                                                                                   \
  if (!is(object, of)) return note("  a handle that is none\n"), INVALID_VALUE
/* An attribute of so many bytes. */
#define TAKE(into)                                                                                                                         \
  if (bytes != sizeof(into)) return note("  %zu bytes\n", bytes), INVALID_VALUE;                                                           \
  memcpy(&(into), value, bytes);                                                                                                           \
  return SUCCESS

/* ---- the library ---- */

size_t cublasLtGetVersion(void) { return 120903; }

Status cublasLtCreate(Object **handle) {
  CALL("cublasLtCreate", "");
  return *handle = make('h'), SUCCESS;
}

Status cublasLtDestroy(Object *handle) {
  CALL("cublasLtDestroy", "");
  NEED(handle, 'h');
  return destroy(handle);
}

Status cublasLtMatmulDescCreate(Object **operation, int compute, int scale) {
  CALL("cublasLtMatmulDescCreate", "%d %d", compute, scale);
  if (compute != COMPUTE_32F || scale != R_32F) return NOT_SUPPORTED;
  return *operation = make('o'), SUCCESS;
}

Status cublasLtMatmulDescSetAttribute(Object *operation, int attribute, const void *value, size_t bytes) {
  CALL("cublasLtMatmulDescSetAttribute", "%d %zu", attribute, bytes);
  NEED(operation, 'o');
  if (attribute != 3 && attribute != 4) return INVALID_VALUE;
  TAKE(operation->transposes[attribute - 3]);
}

Status cublasLtMatmulDescDestroy(Object *operation) {
  NEED(operation, 'o');
  return destroy(operation);
}

Status cublasLtMatrixLayoutCreate(Object **layout, int type, uint64_t rows, uint64_t columns, int64_t apart) {
  CALL("cublasLtMatrixLayoutCreate", "%d %llux%llu %lld", type, (unsigned long long)rows, (unsigned long long)columns, (long long)apart);
  if (apart < (int64_t)rows) return INVALID_VALUE;
  *layout = make('l');
  (*layout)->type = type, (*layout)->rows = rows, (*layout)->columns = columns, (*layout)->apart = apart, (*layout)->batch = 1;
  return SUCCESS;
}

Status cublasLtMatrixLayoutSetAttribute(Object *layout, int attribute, const void *value, size_t bytes) {
  CALL("cublasLtMatrixLayoutSetAttribute", "%d %zu", attribute, bytes);
  NEED(layout, 'l');
  if (attribute == 5) {
    TAKE(layout->batch);
  } else if (attribute == 6) {
    TAKE(layout->stride);
  }
  return INVALID_VALUE;
}

Status cublasLtMatrixLayoutDestroy(Object *layout) {
  NEED(layout, 'l');
  return destroy(layout);
}

Status cublasLtMatmulPreferenceCreate(Object **preference) {
  CALL("cublasLtMatmulPreferenceCreate", "");
  return *preference = make('p'), SUCCESS;
}

Status cublasLtMatmulPreferenceSetAttribute(Object *preference, int attribute, const void *value, size_t bytes) {
  CALL("cublasLtMatmulPreferenceSetAttribute", "%d %zu", attribute, bytes);
  NEED(preference, 'p');
  if (attribute == 1) {
    TAKE(preference->workspace);
  } else if (attribute == 3) {
    TAKE(preference->reductions);
  } else if (attribute >= 5 && attribute <= 8) {
    TAKE(preference->alignments[attribute - 5]);
  }
  return INVALID_VALUE;
}

Status cublasLtMatmulPreferenceDestroy(Object *preference) {
  NEED(preference, 'p');
  return destroy(preference);
}

/* What every algorithm uses of the workspace. */
enum { WORKSPACE = 4096 };

typedef struct {
  uint64_t data[8];
} Algorithm;

typedef struct {
  Algorithm algorithm;
  size_t workspace;
  Status state;
  float waves;
  int reserved[4];
} Found;

static void note_layout(const char *name, Object *layout) {
  note("  %s: type %d, %llux%llu, %lld apart, %d of %lld\n", name, layout->type, (unsigned long long)layout->rows,
       (unsigned long long)layout->columns, (long long)layout->apart, layout->batch, (long long)layout->stride);
}

Status cublasLtMatmulAlgoGetHeuristic(Object *handle, Object *operation, Object *a, Object *b, Object *c, Object *d, Object *preference, int wanted,
                                      Found *results, int *count) {
  CALL("cublasLtMatmulAlgoGetHeuristic", "%d", wanted);
  NEED(handle, 'h');
  NEED(operation, 'o');
  NEED(a, 'l');
  NEED(b, 'l');
  NEED(c, 'l');
  NEED(d, 'l');
  NEED(preference, 'p');
  note("  transposes %d %d, workspace %llu, reductions %u, alignments %u %u %u %u\n", operation->transposes[0], operation->transposes[1],
       (unsigned long long)preference->workspace, preference->reductions, preference->alignments[0], preference->alignments[1],
       preference->alignments[2], preference->alignments[3]);
  note_layout("a", a);
  note_layout("b", b);
  note_layout("c", c);
  note_layout("d", d);
  *count = found;
  if (found == 0) return SUCCESS;
  memset(results, 0, sizeof *results);
  for (int i = 0; i < 8; i++) results->algorithm.data[i] = 0x0123456789abcdefull + (uint64_t)i;
  results->workspace = WORKSPACE, results->state = found_status;
  return SUCCESS;
}

static float from_half(uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  float size = exponent == 31 ? (fraction ? NAN : INFINITY) : exponent ? ldexpf((float)(fraction + 1024), exponent - 25) : ldexpf((float)fraction, -24);
  return bits & 0x8000 ? -size : size;
}
/* Rounded to the nearest, the even one of two; for numbers that a half can hold. */
static uint16_t to_half(float value) {
  uint16_t sign = signbit(value) ? 0x8000 : 0;
  int exponent;
  if (value == 0) return sign;
  frexpf(value = fabsf(value), &exponent);
  if (exponent < -13) exponent = -13;
  int bits = (int)nearbyintf(ldexpf(value, 11 - exponent)); /* a carry goes into the exponent */
  return (uint16_t)(sign + ((exponent + 13) << 10) + bits);
}
static float from_bfloat(uint16_t bits) {
  uint32_t word = (uint32_t)bits << 16;
  float value;
  return memcpy(&value, &word, 4), value;
}
static uint16_t to_bfloat(float value) {
  uint32_t word;
  memcpy(&word, &value, 4);
  return (uint16_t)((word + 0x7fff + (word >> 16 & 1)) >> 16);
}

/* One matrix of a batch as floats, `inner` of them side by side for each of its `count` rows or columns of the result. */
static float *floats(const uint16_t *memory, Object *layout, int batch, uint64_t count, uint64_t inner, int inner_along_columns) {
  float *all = malloc(count * inner * sizeof *all);
  for (uint64_t i = 0; i < count; i++)
    for (uint64_t k = 0; k < inner; k++) {
      uint64_t at = inner_along_columns ? k + i * (uint64_t)layout->apart : i + k * (uint64_t)layout->apart;
      uint16_t bits = memory[(int64_t)at + batch * layout->stride];
      all[i * inner + k] = layout->type == R_16F ? from_half(bits) : from_bfloat(bits);
    }
  return all;
}

Status cublasLtMatmul(Object *handle, Object *operation, const float *alpha, const uint16_t *a, Object *first, const uint16_t *b, Object *second,
                      const float *beta, const uint16_t *c, Object *former, uint16_t *d, Object *result, const Algorithm *algorithm,
                      void *workspace, size_t bytes, void *stream) {
  CALL("cublasLtMatmul", "%g %g, workspace %zu%s%s", (double)*alpha, (double)*beta, bytes, c == d && former == result ? "" : ", another c",
       stream == NULL ? ", no stream" : "");
  NEED(handle, 'h');
  NEED(operation, 'o');
  NEED(first, 'l');
  NEED(second, 'l');
  NEED(result, 'l');
  for (int i = 0; i < 8; i++)
    if (algorithm->data[i] != 0x0123456789abcdefull + (uint64_t)i) return note("  an algorithm that is none\n"), INVALID_VALUE;
  int *turned = operation->transposes;
  uint64_t inner = turned[0] ? first->rows : first->columns;
  if ((turned[0] ? first->columns : first->rows) != result->rows || (turned[1] ? second->rows : second->columns) != result->columns ||
      (turned[1] ? second->columns : second->rows) != inner || first->batch != result->batch || second->batch != result->batch ||
      first->type != result->type || second->type != result->type)
    return note("  matrices that do not fit\n"), INVALID_VALUE;
  if (bytes < WORKSPACE) return note("  too little workspace\n"), INVALID_VALUE;
  memset(workspace, 0xab, WORKSPACE);
  for (int batch = 0; batch < result->batch; batch++) {
    float *left = floats(a, first, batch, result->rows, inner, turned[0]), *right = floats(b, second, batch, result->columns, inner, !turned[1]);
    for (uint64_t column = 0; column < result->columns; column++)
      for (uint64_t row = 0; row < result->rows; row++) {
        float sum = 0;
        for (uint64_t k = 0; k < inner; k++) sum += left[row * inner + k] * right[column * inner + k];
        sum *= *alpha;
        d[(int64_t)(row + column * (uint64_t)result->apart) + batch * result->stride] = result->type == R_16F ? to_half(sum) : to_bfloat(sum);
      }
    free(left), free(right);
  }
  return SUCCESS;
}
