/* libcuda.so.1 as tests want it, told by the environment.
 *
 * FAKE_CUDA_GPUS      "Orin|8.7|30697|integrated"  (name, capability, MiB)
 * FAKE_CUDA_VERSION   12040
 * FAKE_CUDA_ERR_<call>, FAKE_CUDA_SLEEP_<call> (milliseconds), FAKE_CUDA_CRASH_<call>
 * <call> is one of Version Init Count Device Attribute Name Memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_VALUE = 1, NOT_INITIALIZED = 3 };

static int initialized;

static const char *setting(const char *name, const char *otherwise)
{
    const char *text = getenv(name);
    return text && *text ? text : otherwise;
}

static int before(const char *call)
{
    char name[64];
    const char *text;
    snprintf(name, sizeof name, "FAKE_CUDA_SLEEP_%s", call);
    if ((text = getenv(name)))
        usleep(1000u * (unsigned)atoi(text));
    snprintf(name, sizeof name, "FAKE_CUDA_CRASH_%s", call);
    if (getenv(name))
        *(volatile int *)0 = 1;
    snprintf(name, sizeof name, "FAKE_CUDA_ERR_%s", call);
    if ((text = getenv(name)))
        return atoi(text);
    if (!strcmp(call, "Version") || !strcmp(call, "Init"))
        return 0;
    return initialized ? 0 : NOT_INITIALIZED;
}

static int gpus(void)
{
    const char *text = setting("FAKE_CUDA_GPUS", "");
    int number = *text ? 1 : 0;
    /* As the real one: an empty CUDA_VISIBLE_DEVICES hides them all. */
    if (getenv("CUDA_VISIBLE_DEVICES") && !*getenv("CUDA_VISIBLE_DEVICES"))
        return 0;
    for (; *text; text++)
        number += *text == ';';
    return number;
}

static int field(int gpu, int index, char *out, size_t size)
{
    char all[4096], *outer, *inner, *part;
    snprintf(all, sizeof all, "%s", setting("FAKE_CUDA_GPUS", ""));
    part = strtok_r(all, ";", &outer);
    while (part && gpu-- > 0)
        part = strtok_r(NULL, ";", &outer);
    part = part ? strtok_r(part, "|", &inner) : NULL;
    while (part && index-- > 0)
        part = strtok_r(NULL, "|", &inner);
    if (!part)
        return 0;
    snprintf(out, size, "%s", part);
    return 1;
}

int cuDriverGetVersion(int *out)
{
    int error = before("Version");
    if (!error)
        *out = atoi(setting("FAKE_CUDA_VERSION", "12040"));
    return error;
}

int cuInit(unsigned flags)
{
    int error = before("Init");
    (void)flags;
    if (!error && !gpus())
        return NO_DEVICE;
    initialized = !error;
    return error;
}

int cuGetErrorString(int error, const char **out)
{
    static char text[64];
    snprintf(text, sizeof text, "fake CUDA error %d", error);
    *out = text;
    return 0;
}

int cuDeviceGetCount(int *out)
{
    int error = before("Count");
    *out = error ? 0 : gpus();
    return error;
}

int cuDeviceGet(int *device, int index)
{
    int error = before("Device");
    *device = index;
    return error ? error : index < gpus() ? 0 : INVALID_DEVICE;
}

int cuDeviceGetName(char *out, int size, int device)
{
    int error = before("Name");
    return error ? error : field(device, 0, out, (size_t)size) ? 0 : INVALID_DEVICE;
}

int cuDeviceGetAttribute(int *out, int attribute, int device)
{
    char text[32];
    int major, minor, error = before("Attribute");
    if (error)
        return error;
    if (attribute == 18) {
        *out = field(device, 3, text, sizeof text) && !strcmp(text, "integrated");
        return 0;
    }
    if (!field(device, 1, text, sizeof text) || sscanf(text, "%d.%d", &major, &minor) != 2)
        return INVALID_VALUE;
    if (attribute != 75 && attribute != 76)
        return INVALID_VALUE;
    *out = attribute == 75 ? major : minor;
    return 0;
}

int cuDeviceTotalMem_v2(size_t *out, int device)
{
    char text[32];
    int error = before("Memory");
    if (error)
        return error;
    if (!field(device, 2, text, sizeof text))
        return INVALID_VALUE;
    *out = (size_t)strtoull(text, NULL, 10) << 20;
    return 0;
}
