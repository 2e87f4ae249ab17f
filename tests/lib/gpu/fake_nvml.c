/* libnvidia-ml.so.1 as tests want it, told by the environment.
 *
 * FAKE_NVML_GPUS   "Tesla V100|7.0|16384;A100|8.0|40960|mig"  (name, capability, MiB, MIG)
 * FAKE_NVML_DRIVER, FAKE_NVML_CUDA   what the system calls say
 * FAKE_NVML_ERR_<call>, FAKE_NVML_ERR_<call>_<gpu>       its error
 * FAKE_NVML_SLEEP_<call>, FAKE_NVML_SLEEP_<call>_<gpu>   milliseconds before it answers
 * FAKE_NVML_CRASH_<call>, FAKE_NVML_CRASH_<call>_<gpu>   it aborts
 * FAKE_NVML_CHATTER   every call prints that on the standard output
 * <call> is one of Init Driver Cuda CudaOld Count Handle Name Capability Memory Mig.
 * Compiled with -DOLD it lacks what drivers before r410 lack.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, LIBRARY_NOT_FOUND = 12 };

static int initialized;

static const char *value(const char *kind, const char *call, long gpu)
{
    char name[128];
    if (gpu < 0)
        snprintf(name, sizeof name, "FAKE_NVML_%s_%s", kind, call);
    else
        snprintf(name, sizeof name, "FAKE_NVML_%s_%s_%ld", kind, call, gpu);
    return getenv(name);
}

static const char *either(const char *kind, const char *call, long gpu)
{
    const char *own = gpu < 0 ? NULL : value(kind, call, gpu);
    return own ? own : value(kind, call, -1);
}

/* What happens before a call answers: chatter, sleep, crash, error. */
static int before(const char *call, long gpu)
{
    const char *text;
    if ((text = getenv("FAKE_NVML_CHATTER"))) {
        puts(text);
        fflush(stdout);
    }
    if ((text = either("SLEEP", call, gpu)))
        usleep(1000u * (unsigned)atoi(text));
    if (either("CRASH", call, gpu))
        abort();
    if ((text = either("ERR", call, gpu)))
        return atoi(text);
    return strcmp(call, "Init") && !initialized ? UNINITIALIZED : 0;
}

static const char *setting(const char *name, const char *otherwise)
{
    const char *text = getenv(name);
    return text && *text ? text : otherwise;
}

static long gpus(void)
{
    const char *text = setting("FAKE_NVML_GPUS", "");
    long number = *text ? 1 : 0;
    for (; *text; text++)
        number += *text == ';';
    return number;
}

static int field(long gpu, int index, char *out, size_t size)
{
    char all[4096], *outer, *inner, *part;
    snprintf(all, sizeof all, "%s", setting("FAKE_NVML_GPUS", ""));
    part = strtok_r(all, ";", &outer);
    while (part && gpu-- > 0)
        part = strtok_r(NULL, ";", &outer);
    if (!part)
        return 0;
    part = strtok_r(part, "|", &inner);
    while (part && index-- > 0)
        part = strtok_r(NULL, "|", &inner);
    if (!part)
        return 0;
    snprintf(out, size, "%s", part);
    return 1;
}

static long number_of(void *device)
{
    return (long)device - 1;
}

int nvmlInitWithFlags(unsigned flags)
{
    int error = before("Init", -1);
    (void)flags;
    initialized = !error;
    return error;
}

int nvmlInit_v2(void)
{
    return nvmlInitWithFlags(0);
}

int nvmlShutdown(void)
{
    initialized = 0;
    return 0;
}

const char *nvmlErrorString(int error)
{
    static char text[64];
    snprintf(text, sizeof text, "fake error %d", error);
    return text;
}

int nvmlSystemGetDriverVersion(char *out, unsigned size)
{
    int error = before("Driver", -1);
    if (!error)
        snprintf(out, size, "%s", setting("FAKE_NVML_DRIVER", "580.95.05"));
    return error;
}

int nvmlSystemGetCudaDriverVersion(int *out)
{
    int error = before("CudaOld", -1);
    if (!error)
        *out = atoi(setting("FAKE_NVML_CUDA", "13000"));
    return error;
}

#ifndef OLD
int nvmlSystemGetCudaDriverVersion_v2(int *out)
{
    int error = before("Cuda", -1);
    if (!error)
        *out = atoi(setting("FAKE_NVML_CUDA", "13000"));
    return error;
}

int nvmlDeviceGetMigMode(void *device, unsigned *now, unsigned *next)
{
    char text[16];
    int error = before("Mig", number_of(device));
    if (error)
        return error;
    if (!field(number_of(device), 3, text, sizeof text))
        return NOT_SUPPORTED;
    *now = *next = !strcmp(text, "mig");
    return 0;
}
#endif

int nvmlDeviceGetCount_v2(unsigned *out)
{
    int error = before("Count", -1);
    *out = error ? 0 : (unsigned)gpus();
    return error;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    int error = before("Handle", index);
    if (!error && (long)index >= gpus())
        return INVALID;
    *device = (void *)((long)index + 1);
    return error;
}

int nvmlDeviceGetName(void *device, char *out, unsigned size)
{
    int error = before("Name", number_of(device));
    if (!error && !field(number_of(device), 0, out, size))
        return INVALID;
    return error;
}

int nvmlDeviceGetCudaComputeCapability(void *device, int *major, int *minor)
{
    char text[16];
    int error = before("Capability", number_of(device));
    if (error)
        return error;
    if (!field(number_of(device), 1, text, sizeof text))
        return NOT_SUPPORTED;
    return sscanf(text, "%d.%d", major, minor) == 2 ? 0 : NOT_SUPPORTED;
}

int nvmlDeviceGetMemoryInfo(void *device, unsigned long long *out)
{
    char text[32];
    int error = before("Memory", number_of(device));
    if (error)
        return error;
    if (!field(number_of(device), 2, text, sizeof text))
        return NOT_SUPPORTED;
    out[0] = out[1] = strtoull(text, NULL, 10) << 20;
    out[2] = 0;
    return 0;
}
