/*
 * A stand-in for libnvidia-ml.so.1, the library of the NVIDIA driver, for machines without a GPU.
 *
 * It has the few functions that flatlined calls through pynvml, with the signatures, structure layouts and return
 * codes of nvml.h, and it is strict: NULL pointers, small buffers and calls before the initialisation are refused as
 * the real library refuses them. What it shows is read on every call from the text file named by NVML_STANDIN:
 *
 *     gpu INDEX UUID GPU_PERCENT MEMORY_PERCENT MILLIWATT NAME
 *     process INDEX PID BYTES
 *     use INDEX PID STAMP_US SM MEM ENC DEC
 *     lost INDEX                    the GPU has fallen off the bus
 *     fail FUNCTION CODE            the function returns this code
 *     hang FUNCTION                 the function does not return while this line stands
 *
 * With -DOLD_DRIVER it lacks the functions that drivers before 510 and some others lack.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum {
    NVML_SUCCESS = 0,
    NVML_ERROR_UNINITIALIZED = 1,
    NVML_ERROR_INVALID_ARGUMENT = 2,
    NVML_ERROR_NOT_FOUND = 6,
    NVML_ERROR_INSUFFICIENT_SIZE = 7,
    NVML_ERROR_GPU_IS_LOST = 15,
} nvmlReturn_t;

typedef struct nvmlDevice_st *nvmlDevice_t;

typedef struct {
    unsigned int gpu, memory;
} nvmlUtilization_t;

typedef struct {
    unsigned int pid;
    unsigned long long usedGpuMemory;
    unsigned int gpuInstanceId, computeInstanceId;
} nvmlProcessInfo_t;

typedef struct {
    unsigned int pid;
    unsigned long long timeStamp;
    unsigned int smUtil, memUtil, encUtil, decUtil;
} nvmlProcessUtilizationSample_t;

enum { MAX = 64, TEXT = 96, SAMPLE_BUFFER = 100 };

struct gpu {
    char uuid[TEXT], name[TEXT];
    nvmlUtilization_t utilization;
    unsigned int milliwatt;
    int lost;
};

struct machine {
    unsigned int gpus, processes, uses;
    struct gpu gpu[MAX];
    unsigned int process_gpu[MAX], use_gpu[MAX];
    nvmlProcessInfo_t process[MAX];
    nvmlProcessUtilizationSample_t use[MAX];
    int hangs;
    nvmlReturn_t failure;
};

static int initialisations;

static void give_up(const char *what, const char *line) {
    fprintf(stderr, "nvml_standin: %s: %s\n", what, line);
    abort();
}

static void read_gpu(struct machine *m, const char *line) {
    struct gpu gpu = {0};
    unsigned int index;
    if (sscanf(line, "gpu %u %95s %u %u %u %95[^\n]", &index, gpu.uuid, &gpu.utilization.gpu, &gpu.utilization.memory,
               &gpu.milliwatt, gpu.name) != 6 || index != m->gpus || index >= MAX)
        give_up("bad line", line);
    m->gpu[m->gpus++] = gpu;
}

static void read_process(struct machine *m, const char *line) {
    nvmlProcessInfo_t *p = &m->process[m->processes];
    if (m->processes == MAX ||
        sscanf(line, "process %u %u %llu", &m->process_gpu[m->processes], &p->pid, &p->usedGpuMemory) != 3)
        give_up("bad line", line);
    p->gpuInstanceId = p->computeInstanceId = ~0u;
    m->processes++;
}

static void read_use(struct machine *m, const char *line) {
    nvmlProcessUtilizationSample_t *u = &m->use[m->uses];
    if (m->uses == MAX || sscanf(line, "use %u %u %llu %u %u %u %u", &m->use_gpu[m->uses], &u->pid, &u->timeStamp,
                                 &u->smUtil, &u->memUtil, &u->encUtil, &u->decUtil) != 7)
        give_up("bad line", line);
    m->uses++;
}

static void read_line(struct machine *m, const char *line, const char *function) {
    char word[TEXT], name[TEXT];
    unsigned int index, code;
    if (sscanf(line, "%95s", word) != 1) give_up("empty line", line);
    if (!strcmp(word, "gpu")) read_gpu(m, line);
    else if (!strcmp(word, "process")) read_process(m, line);
    else if (!strcmp(word, "use")) read_use(m, line);
    else if (sscanf(line, "lost %u", &index) == 1 && index < m->gpus) m->gpu[index].lost = 1;
    else if (sscanf(line, "fail %95s %u", name, &code) == 2) m->failure = strcmp(name, function) ? m->failure : code;
    else if (sscanf(line, "hang %95s", name) == 1) m->hangs |= !strcmp(name, function);
    else give_up("bad line", line);
}

static struct machine look(const char *function) {
    const char *path = getenv("NVML_STANDIN");
    FILE *file = path ? fopen(path, "r") : NULL;
    struct machine m = {0};
    char line[4 * TEXT];
    if (!file) give_up("NVML_STANDIN names no readable file", path ? path : "");
    while (fgets(line, sizeof line, file)) read_line(&m, line, function);
    fclose(file);
    return m;
}

static nvmlReturn_t enter(struct machine *m, const char *function) {
    while (*m = look(function), m->hangs) usleep(5000);
    return m->failure;
}

static nvmlReturn_t enter_initialised(struct machine *m, const char *function) {
    nvmlReturn_t result = enter(m, function);
    return initialisations ? result : NVML_ERROR_UNINITIALIZED;
}

static nvmlReturn_t enter_device(struct machine *m, const char *function, nvmlDevice_t device, unsigned int *index) {
    nvmlReturn_t result = enter_initialised(m, function);
    *index = (unsigned int)((size_t)device - 1);
    if (result) return result;
    if (!device || *index >= m->gpus) return NVML_ERROR_INVALID_ARGUMENT;
    return m->gpu[*index].lost ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
}

static nvmlReturn_t give_text(const char *text, char *buffer, unsigned int length) {
    if (!buffer) return NVML_ERROR_INVALID_ARGUMENT;
    if (length <= strlen(text)) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(buffer, text);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlInitWithFlags(unsigned int flags) {
    struct machine m;
    nvmlReturn_t result = enter(&m, __func__);
    if (flags) return NVML_ERROR_INVALID_ARGUMENT;
    if (!result) initialisations++;
    return result;
}

nvmlReturn_t nvmlShutdown(void) {
    struct machine m;
    nvmlReturn_t result = enter_initialised(&m, __func__);
    if (!result) initialisations--;
    return result;
}

const char *nvmlErrorString(nvmlReturn_t result) {
    static char text[TEXT];
    snprintf(text, sizeof text, "stand-in error %d", result);
    return text;
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count) {
    struct machine m;
    nvmlReturn_t result = enter_initialised(&m, __func__);
    if (result) return result;
    if (!count) return NVML_ERROR_INVALID_ARGUMENT;
    *count = m.gpus;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device) {
    struct machine m;
    unsigned int same;
    nvmlReturn_t result = enter_device(&m, __func__, (nvmlDevice_t)((size_t)index + 1), &same);
    if (result) return result;
    if (!device) return NVML_ERROR_INVALID_ARGUMENT;
    *device = (nvmlDevice_t)((size_t)index + 1);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length) {
    struct machine m;
    unsigned int i;
    nvmlReturn_t result = enter_device(&m, __func__, device, &i);
    return result ? result : give_text(m.gpu[i].uuid, uuid, length);
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length) {
    struct machine m;
    unsigned int i;
    nvmlReturn_t result = enter_device(&m, __func__, device, &i);
    return result ? result : give_text(m.gpu[i].name, name, length);
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization) {
    struct machine m;
    unsigned int i;
    nvmlReturn_t result = enter_device(&m, __func__, device, &i);
    if (result) return result;
    if (!utilization) return NVML_ERROR_INVALID_ARGUMENT;
    *utilization = m.gpu[i].utilization;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *milliwatt) {
    struct machine m;
    unsigned int i;
    nvmlReturn_t result = enter_device(&m, __func__, device, &i);
    if (result) return result;
    if (!milliwatt) return NVML_ERROR_INVALID_ARGUMENT;
    *milliwatt = m.gpu[i].milliwatt;
    return NVML_SUCCESS;
}

static nvmlReturn_t running(const char *function, nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos) {
    struct machine m;
    unsigned int i, room, found = 0;
    nvmlReturn_t result = enter_device(&m, function, device, &i);
    if (result) return result;
    if (!count || (*count && !infos)) return NVML_ERROR_INVALID_ARGUMENT;
    room = *count;
    for (unsigned int p = 0; p < m.processes; p++) {
        if (m.process_gpu[p] != i) continue;
        if (found < room) infos[found] = m.process[p];
        found++;
    }
    *count = found;
    return found > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos) {
    return running(__func__, device, count, infos);
}

#ifndef OLD_DRIVER
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos) {
    return running(__func__, device, count, infos);
}

/* As seen with real drivers: asked for the size it tells that of its whole buffer, however few samples there are. */
nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *samples,
                                             unsigned int *count, unsigned long long last_seen) {
    struct machine m;
    unsigned int i, found = 0;
    nvmlReturn_t result = enter_device(&m, __func__, device, &i);
    if (result) return result;
    if (!count) return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned int u = 0; u < m.uses; u++) {
        if (m.use_gpu[u] != i || m.use[u].timeStamp <= last_seen) continue;
        if (samples && found < *count) samples[found] = m.use[u];
        found++;
    }
    if (!found) return NVML_ERROR_NOT_FOUND;
    if (!samples || *count < found) return *count = SAMPLE_BUFFER, NVML_ERROR_INSUFFICIENT_SIZE;
    *count = found;
    return NVML_SUCCESS;
}
#endif
