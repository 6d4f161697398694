/* Stands between a program and its OpenCL loader (LD_PRELOAD): counts what is alive, and fails on demand.
 *
 * Faults are set by ct_fault(name, value), or before the start by variables of the environment FAULT_<NAME>:
 *   build   1: every program fails to build, 2: the compiler never comes back, 3: it only takes a second
 *   launch  an error code (negative) that every launch returns
 *   copy    an error code that every copy and fill returns
 *   finish  an error code that every wait returns
 *   memory  bytes that all buffers together may have
 * ct_alive(name) tells how many "buffers", "bytes" and "events" are held. No header of OpenCL is needed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void *P;
typedef size_t Z;
typedef uint32_t U;

enum { BUILD, LAUNCH, COPY, FINISH, MEMORY, KINDS };
static const char *const names[KINDS] = {"build", "launch", "copy", "finish", "memory"};
static const char *const variables[KINDS] = {
    "FAULT_BUILD", "FAULT_LAUNCH", "FAULT_COPY", "FAULT_FINISH", "FAULT_MEMORY"};
static long faults[KINDS];
static long buffers, bytes, events;
static const char words[] = "error: unknown target CPU 'future'";

__attribute__((constructor)) static void begin(void)
{
    for (int i = 0; i < KINDS; i++)
        faults[i] = getenv(variables[i]) ? atol(getenv(variables[i])) : 0;
}

void ct_fault(const char *name, long value)
{
    for (int i = 0; i < KINDS; i++)
        if (!strcmp(names[i], name)) faults[i] = value;
}

long ct_alive(const char *name)
{
    long *what = !strcmp(name, "buffers") ? &buffers : !strcmp(name, "bytes") ? &bytes : &events;
    return __atomic_load_n(what, __ATOMIC_SEQ_CST);
}

static void add(long *what, long by) { __atomic_fetch_add(what, by, __ATOMIC_SEQ_CST); }

/* The loader that PyOpenCL brings is not in the global scope, where RTLD_NEXT looks. */
static int look(struct dl_phdr_info *info, Z size, void *found)
{
    (void)size;
    const char *base = strrchr(info->dlpi_name, '/');
    if (!base || strncmp(base, "/libOpenCL", 10)) return 0;
    *(void **)found = dlopen(info->dlpi_name, RTLD_LAZY | RTLD_NOLOAD);
    return 1;
}

static P real(const char *name)
{
    static P loader;
    if (!loader) dl_iterate_phdr(look, &loader);
    P found = loader ? dlsym(loader, name) : NULL;
    if (!found) abort();
    return found;
}

#define FORWARD(name, ...) static int (*next)(__VA_ARGS__); if (!next) next = (int (*)(__VA_ARGS__))real(#name)

/* ---- programs ---- */
int clBuildProgram(P program, U n, const P *devices, const char *options, P notify, P data)
{
    FORWARD(clBuildProgram, P, U, const P *, const char *, P, P);
    if (faults[BUILD] == 1) return -11;
    while (faults[BUILD] == 2) sleep(1);
    if (faults[BUILD] == 3) sleep(1);
    return next(program, n, devices, options, notify, data);
}

int clGetProgramBuildInfo(P program, P device, U name, Z size, P value, Z *length)
{
    FORWARD(clGetProgramBuildInfo, P, P, U, Z, P, Z *);
    if (name != 0x1183 || faults[BUILD] != 1) return next(program, device, name, size, value, length);
    if (length) *length = sizeof words;
    if (value && size >= sizeof words) memcpy(value, words, sizeof words);
    return 0;
}

/* ---- buffers ---- */
P clCreateBuffer(P context, uint64_t flags, Z size, P host, int *error)
{
    static P (*next)(P, uint64_t, Z, P, int *);
    if (!next) next = (P(*)(P, uint64_t, Z, P, int *))real("clCreateBuffer");
    if (faults[MEMORY] && ct_alive("bytes") + (long)size > faults[MEMORY]) {
        if (error) *error = -4;
        return NULL;
    }
    P made = next(context, flags, size, host, error);
    if (made) add(&buffers, 1), add(&bytes, (long)size);
    return made;
}

int clReleaseMemObject(P buffer)
{
    FORWARD(clReleaseMemObject, P);
    int (*ask)(P, U, Z, P, Z *) = (int (*)(P, U, Z, P, Z *))real("clGetMemObjectInfo");
    U count = 0;
    Z size = 0;
    ask(buffer, 0x1105, sizeof count, &count, NULL);
    ask(buffer, 0x1102, sizeof size, &size, NULL);
    if (count == 1) add(&buffers, -1), add(&bytes, -(long)size);
    return next(buffer);
}

/* ---- events: everything that gives one ---- */
static int counted(int status, P *event)
{
    if (!status && event) add(&events, 1);
    return status;
}

P clCreateUserEvent(P context, int *error)
{
    static P (*next)(P, int *);
    if (!next) next = (P(*)(P, int *))real("clCreateUserEvent");
    P made = next(context, error);
    if (made) add(&events, 1);
    return made;
}

int clRetainEvent(P event)
{
    FORWARD(clRetainEvent, P);
    add(&events, 1);
    return next(event);
}

int clReleaseEvent(P event)
{
    FORWARD(clReleaseEvent, P);
    add(&events, -1);
    return next(event);
}

int clEnqueueNDRangeKernel(
    P queue, P kernel, U dims, const Z *offset, const Z *global, const Z *local, U n, const P *waits, P *event)
{
    FORWARD(clEnqueueNDRangeKernel, P, P, U, const Z *, const Z *, const Z *, U, const P *, P *);
    if (faults[LAUNCH]) return (int)faults[LAUNCH];
    return counted(next(queue, kernel, dims, offset, global, local, n, waits, event), event);
}

int clEnqueueReadBuffer(P queue, P buffer, U blocking, Z offset, Z size, P to, U n, const P *waits, P *event)
{
    FORWARD(clEnqueueReadBuffer, P, P, U, Z, Z, P, U, const P *, P *);
    if (faults[COPY]) return (int)faults[COPY];
    return counted(next(queue, buffer, blocking, offset, size, to, n, waits, event), event);
}

int clEnqueueWriteBuffer(P queue, P buffer, U blocking, Z offset, Z size, const P from, U n, const P *waits, P *event)
{
    FORWARD(clEnqueueWriteBuffer, P, P, U, Z, Z, const P, U, const P *, P *);
    if (faults[COPY]) return (int)faults[COPY];
    return counted(next(queue, buffer, blocking, offset, size, from, n, waits, event), event);
}

int clEnqueueCopyBuffer(P queue, P from, P to, Z from_offset, Z to_offset, Z size, U n, const P *waits, P *event)
{
    FORWARD(clEnqueueCopyBuffer, P, P, P, Z, Z, Z, U, const P *, P *);
    if (faults[COPY]) return (int)faults[COPY];
    return counted(next(queue, from, to, from_offset, to_offset, size, n, waits, event), event);
}

int clEnqueueFillBuffer(
    P queue, P buffer, const P pattern, Z length, Z offset, Z size, U n, const P *waits, P *event)
{
    FORWARD(clEnqueueFillBuffer, P, P, const P, Z, Z, Z, U, const P *, P *);
    if (faults[COPY]) return (int)faults[COPY];
    return counted(next(queue, buffer, pattern, length, offset, size, n, waits, event), event);
}

int clEnqueueMigrateMemObjects(P queue, U count, const P *buffers, uint64_t flags, U n, const P *waits, P *event)
{
    FORWARD(clEnqueueMigrateMemObjects, P, U, const P *, uint64_t, U, const P *, P *);
    return counted(next(queue, count, buffers, flags, n, waits, event), event);
}

int clEnqueueMarkerWithWaitList(P queue, U n, const P *waits, P *event)
{
    FORWARD(clEnqueueMarkerWithWaitList, P, U, const P *, P *);
    return counted(next(queue, n, waits, event), event);
}

int clEnqueueUnmapMemObject(P queue, P buffer, P mapped, U n, const P *waits, P *event)
{
    FORWARD(clEnqueueUnmapMemObject, P, P, P, U, const P *, P *);
    return counted(next(queue, buffer, mapped, n, waits, event), event);
}

P clEnqueueMapBuffer(
    P queue, P buffer, U blocking, uint64_t flags, Z offset, Z size, U n, const P *waits, P *event, int *error)
{
    static P (*next)(P, P, U, uint64_t, Z, Z, U, const P *, P *, int *);
    if (!next) next = (P(*)(P, P, U, uint64_t, Z, Z, U, const P *, P *, int *))real("clEnqueueMapBuffer");
    P mapped = next(queue, buffer, blocking, flags, offset, size, n, waits, event, error);
    if (mapped && event) add(&events, 1);
    return mapped;
}

/* ---- waiting ---- */
int clFinish(P queue)
{
    FORWARD(clFinish, P);
    return faults[FINISH] ? (int)faults[FINISH] : next(queue);
}

int clWaitForEvents(U n, const P *waits)
{
    FORWARD(clWaitForEvents, U, const P *);
    return faults[FINISH] ? (int)faults[FINISH] : next(n, waits);
}
