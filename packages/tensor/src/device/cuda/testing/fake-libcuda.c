/*
 * A library with the entries of NVIDIA's driver that libcuda.ts calls, without a GPU: memory is the host's, copies are made at once, kernels are noted and not run, but for
 * one named `increment`, which adds 1 to the first word of its first array. It writes down every call with what arrived, and fails when it is told to, so that
 * what JavaScript hands over and reads back is tested on the ways it takes. Signatures: NVIDIA, "CUDA Driver API".
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int Result;
typedef uint64_t Pointer;
enum { SUCCESS = 0, INVALID_VALUE = 1, INVALID_PTX = 218, INVALID_HANDLE = 400, NOT_FOUND = 500, NOT_READY = 600 };

/* ---- what the tests ask ---- */

static char written[1 << 16];
static size_t length;
static char failing[64];
static int fail_at, fail_with;
static int version = 12040, devices = 1, unready;
static int attributes[128];
static long long live_bytes, live_handles;

static void note(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int more = vsnprintf(written + length, sizeof written - length, format, arguments);
  va_end(arguments);
  if (more > 0 && length + (size_t)more < sizeof written) length += (size_t)more;
}

const char *fake_log(void) { return written; }
void fake_clear(void) { length = 0, written[0] = 0; }
/* The nth call from now on of that name ("" for any) gives the status. */
void fake_fail(const char *name, int nth, int status) {
  snprintf(failing, sizeof failing, "%s", name);
  fail_at = nth, fail_with = status;
}
void fake_set_version(int value) { version = value; }
void fake_set_devices(int value) { devices = value; }
void fake_set_attribute(int which, int value) { attributes[which] = value; }
/* So many queries of events find them not ready. */
void fake_set_unready(int value) { unready = value; }
long long fake_live_bytes(void) { return live_bytes; }
long long fake_live_handles(void) { return live_handles; }
void fake_reset(void) {
  fake_clear();
  failing[0] = 0, fail_at = 0, version = 12040, devices = 1, unready = 0;
  memset(attributes, 0, sizeof attributes);
  const int defaults[][2] = {{1, 1024}, {2, 1024}, {3, 1024}, {4, 64}, {5, 2147483647}, {6, 65535}, {8, 49152}, {10, 32},
                             {16, 4}, {75, 7}, {76, 5}, {97, 65536}, {115, 1}};
  for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++) attributes[defaults[i][0]] = defaults[i][1];
}

static int told_to_fail(const char *name) {
  if (fail_at == 0 || (failing[0] != 0 && strcmp(failing, name) != 0)) return 0;
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
  int parameters, capturing;
  char name[64];
  char *text;
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
static void destroy(Object *object) { object->kind = 0, live_handles--, free(object->text), object->text = NULL; }
#define NEED(object, of)                                                                                                                   \
  if (!is(object, of)) return note("  a handle that is none\n"), INVALID_HANDLE

static Object *current, *context_of_device, *pool;
static int retained;

/* ---- the driver ---- */

Result cuGetErrorName(int status, const char **name) {
  static const struct {
    int status;
    const char *name;
  } names[] = {{1, "CUDA_ERROR_INVALID_VALUE"}, {2, "CUDA_ERROR_OUT_OF_MEMORY"}, {100, "CUDA_ERROR_NO_DEVICE"}, {218, "CUDA_ERROR_INVALID_PTX"},
               {400, "CUDA_ERROR_INVALID_HANDLE"}, {500, "CUDA_ERROR_NOT_FOUND"}, {700, "CUDA_ERROR_ILLEGAL_ADDRESS"},
               {719, "CUDA_ERROR_LAUNCH_FAILED"}, {999, "CUDA_ERROR_UNKNOWN"}};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (names[i].status == status) return *name = names[i].name, SUCCESS;
  *name = NULL;
  return INVALID_VALUE;
}

Result cuDriverGetVersion(int *result) { return *result = version, SUCCESS; }

Result cuInit(unsigned flags) {
  CALL("cuInit", "%u", flags);
  return SUCCESS;
}

Result cuDeviceGetCount(int *count) {
  CALL("cuDeviceGetCount", "");
  return *count = devices, SUCCESS;
}

Result cuDeviceGetName(char *name, int size, int device) {
  CALL("cuDeviceGetName", "%d %d", size, device);
  return snprintf(name, (size_t)size, "Fake \xc2\xb5-GPU"), SUCCESS;
}

Result cuDeviceTotalMem_v2(size_t *bytes, int device) {
  CALL("cuDeviceTotalMem", "%d", device);
  return *bytes = 3ull << 33, SUCCESS;
}

Result cuDeviceGetAttribute(int *value, int attribute, int device) {
  CALL("cuDeviceGetAttribute", "%d %d", attribute, device);
  return *value = attributes[attribute], SUCCESS;
}

Result cuDevicePrimaryCtxRetain(Object **context, int device) {
  CALL("cuDevicePrimaryCtxRetain", "%d", device);
  if (retained++ == 0) context_of_device = make('c');
  return *context = context_of_device, SUCCESS;
}

Result cuDevicePrimaryCtxRelease_v2(int device) {
  CALL("cuDevicePrimaryCtxRelease", "%d", device);
  if (--retained == 0) destroy(context_of_device);
  return SUCCESS;
}

Result cuDeviceGetDefaultMemPool(Object **result, int device) {
  CALL("cuDeviceGetDefaultMemPool", "%d", device);
  if (pool == NULL) pool = make('p'), live_handles--; /* it is the device's */
  return *result = pool, SUCCESS;
}

Result cuMemPoolSetAttribute(Object *own, int attribute, uint64_t *value) {
  CALL("cuMemPoolSetAttribute", "%d %llu", attribute, (unsigned long long)*value);
  NEED(own, 'p');
  return SUCCESS;
}

Result cuMemPoolTrimTo(Object *own, size_t keep) {
  CALL("cuMemPoolTrimTo", "%zu", keep);
  NEED(own, 'p');
  return SUCCESS;
}

Result cuCtxSetCurrent(Object *context) {
  if (told_to_fail("cuCtxSetCurrent")) return fail_with; /* not noted: it comes before nearly every call */
  NEED(context, 'c');
  return current = context, SUCCESS;
}

Result cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
  CALL("cuMemGetInfo", "");
  return *free_bytes = (5ull << 32) + 7, *total = 3ull << 33, SUCCESS;
}

/* Options 5 and 6: where errors go, and how many bytes fit there. */
Result cuModuleLoadDataEx(Object **module, const char *image, unsigned count, const int *options, void **values) {
  CALL("cuModuleLoadDataEx", "%zu bytes, options %d %d, %zu bytes of log", strlen(image), count > 0 ? options[0] : -1, count > 1 ? options[1] : -1,
       count > 1 ? (size_t)values[1] : 0);
  if (strstr(image, "refused") != NULL) {
    if (count == 2 && options[0] == 5 && options[1] == 6) snprintf(values[0], (size_t)values[1], "ptxas: line 3; error: Unknown symbol 'refused'\n");
    return INVALID_PTX;
  }
  *module = make('m');
  (*module)->text = strdup(image);
  return SUCCESS;
}

Result cuModuleUnload(Object *module) {
  CALL("cuModuleUnload", "");
  NEED(module, 'm');
  return destroy(module), SUCCESS;
}

Result cuModuleGetFunction(Object **fn, Object *module, const char *name) {
  CALL("cuModuleGetFunction", "%s", name);
  NEED(module, 'm');
  char entry[96];
  snprintf(entry, sizeof entry, ".entry %s(", name);
  const char *at = strstr(module->text, entry);
  if (at == NULL) return NOT_FOUND;
  *fn = make('f');
  live_handles--; /* functions go with their module */
  snprintf((*fn)->name, sizeof(*fn)->name, "%s", name);
  const char *end = strchr(at, ')');
  for (const char *p = at; (p = strstr(p, ".param .u64")) != NULL && p < end; p++) (*fn)->parameters++;
  return SUCCESS;
}

Result cuFuncGetAttribute(int *value, int attribute, Object *fn) {
  CALL("cuFuncGetAttribute", "%d", attribute);
  NEED(fn, 'f');
  return *value = -attribute, SUCCESS;
}

Result cuFuncSetAttribute(Object *fn, int attribute, int value) {
  CALL("cuFuncSetAttribute", "%d %d", attribute, value);
  NEED(fn, 'f');
  return SUCCESS;
}

Result cuStreamCreate(Object **stream, unsigned flags) {
  CALL("cuStreamCreate", "%u", flags);
  return *stream = make('s'), SUCCESS;
}

Result cuStreamDestroy_v2(Object *stream) {
  CALL("cuStreamDestroy", "");
  NEED(stream, 's');
  return destroy(stream), SUCCESS;
}

Result cuStreamSynchronize(Object *stream) {
  CALL("cuStreamSynchronize", "");
  NEED(stream, 's');
  return SUCCESS;
}

/* The size lies before what is given out. */
Result cuMemAllocAsync(Pointer *pointer, size_t bytes, Object *stream) {
  CALL("cuMemAllocAsync", "%zu", bytes);
  NEED(stream, 's');
  if (bytes == 0) return INVALID_VALUE;
  size_t *memory = aligned_alloc(256, 256 + (bytes + 255) / 256 * 256);
  *memory = bytes;
  live_bytes += (long long)bytes;
  return *pointer = (Pointer)memory + 256, SUCCESS;
}

Result cuMemFreeAsync(Pointer pointer, Object *stream) {
  CALL("cuMemFreeAsync", "");
  NEED(stream, 's');
  size_t *memory = (size_t *)(pointer - 256);
  live_bytes -= (long long)*memory;
  return free(memory), SUCCESS;
}

Result cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) {
  CALL("cuMemHostAlloc", "%zu %u", bytes, flags);
  live_handles++;
  return *memory = malloc(bytes), SUCCESS;
}

Result cuMemFreeHost(void *memory) {
  CALL("cuMemFreeHost", "");
  live_handles--;
  return free(memory), SUCCESS;
}

Result cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes, Object *stream) {
  CALL("cuMemcpyHtoDAsync", "%zu", bytes);
  NEED(stream, 's');
  return memcpy((void *)to, from, bytes), SUCCESS;
}

Result cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t bytes, Object *stream) {
  CALL("cuMemcpyDtoHAsync", "%zu", bytes);
  NEED(stream, 's');
  return memcpy(to, (void *)from, bytes), SUCCESS;
}

Result cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, Object *stream) {
  CALL("cuMemcpyDtoDAsync", "%zu", bytes);
  NEED(stream, 's');
  return memmove((void *)to, (void *)from, bytes), SUCCESS;
}

Result cuMemsetD8Async(Pointer to, unsigned char byte, size_t bytes, Object *stream) {
  CALL("cuMemsetD8Async", "%u %zu", byte, bytes);
  NEED(stream, 's');
  return memset((void *)to, byte, bytes), SUCCESS;
}

Result cuLaunchKernel(Object *fn, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, Object *stream,
                      void **parameters, void **extra) {
  CALL("cuLaunchKernel", "%s grid %ux%ux%u block %ux%ux%u shared %u extra %s%s", is(fn, 'f') ? fn->name : "?", gx, gy, gz, bx, by, bz, shared,
       extra == NULL ? "none" : "some", is(stream, 's') && stream->capturing ? " captured" : "");
  NEED(fn, 'f');
  NEED(stream, 's');
  note(" ");
  for (int i = 0; i < fn->parameters; i++) note(" %llx", (unsigned long long)*(Pointer *)parameters[i]);
  note("\n");
  if (strcmp(fn->name, "increment") == 0 && !stream->capturing) ++*(uint32_t *)*(Pointer *)parameters[0];
  return SUCCESS;
}

Result cuEventCreate(Object **event, unsigned flags) {
  CALL("cuEventCreate", "%u", flags);
  return *event = make('e'), SUCCESS;
}

Result cuEventDestroy_v2(Object *event) {
  CALL("cuEventDestroy", "");
  NEED(event, 'e');
  return destroy(event), SUCCESS;
}

Result cuEventRecord(Object *event, Object *stream) {
  CALL("cuEventRecord", "");
  NEED(event, 'e');
  NEED(stream, 's');
  return SUCCESS;
}

Result cuEventQuery(Object *event) {
  CALL("cuEventQuery", "");
  NEED(event, 'e');
  return unready > 0 ? unready--, NOT_READY : SUCCESS;
}

Result cuStreamBeginCapture_v2(Object *stream, int mode) {
  CALL("cuStreamBeginCapture", "%d", mode);
  NEED(stream, 's');
  return stream->capturing = 1, SUCCESS;
}

Result cuStreamEndCapture(Object *stream, Object **graph) {
  CALL("cuStreamEndCapture", "");
  NEED(stream, 's');
  stream->capturing = 0;
  return *graph = make('g'), SUCCESS;
}

#ifdef FAKE_OLD
Result cuGraphInstantiate_v2(Object **executable, Object *graph, Object **node, char *log, size_t bytes) {
  CALL("cuGraphInstantiate", "without flags, %s, %zu", node == NULL && log == NULL ? "no log" : "a log", bytes);
  NEED(graph, 'g');
  return *executable = make('x'), SUCCESS;
}
#else
Result cuGraphInstantiateWithFlags(Object **executable, Object *graph, unsigned long long flags) {
  CALL("cuGraphInstantiate", "%llu", flags);
  NEED(graph, 'g');
  return *executable = make('x'), SUCCESS;
}
#endif

Result cuGraphLaunch(Object *executable, Object *stream) {
  CALL("cuGraphLaunch", "");
  NEED(executable, 'x');
  NEED(stream, 's');
  return SUCCESS;
}

Result cuGraphDestroy(Object *graph) {
  CALL("cuGraphDestroy", "");
  NEED(graph, 'g');
  return destroy(graph), SUCCESS;
}

Result cuGraphExecDestroy(Object *executable) {
  CALL("cuGraphExecDestroy", "");
  NEED(executable, 'x');
  return destroy(executable), SUCCESS;
}
