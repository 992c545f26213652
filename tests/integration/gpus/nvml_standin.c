/*
 * A stand-in for libnvidia-ml.so.1, the library of the NVIDIA driver, for machines without a GPU.
 *
 * It has the few functions that epochwatchd calls through pynvml, with the signatures, structure layouts and return
 * codes of nvml.h, and it is strict: NULL pointers, small buffers and calls before the initialisation are refused as
 * the real library refuses them. What it shows is read on every call from the text file named by NVML_STANDIN:
 *
 *     gpu INDEX UUID GPU_PERCENT MEMORY_PERCENT MILLIWATT NAME
 *     process INDEX PID BYTES
 *     use INDEX PID STAMP_US SM MEM ENC DEC
 *     lost INDEX                    the GPU has fallen off the bus
 *     temperature INDEX CELSIUS, reasons INDEX BITS, ecc INDEX UNCORRECTED, remapped INDEX PENDING FAILED
 *                                   figures that the GPU does not support without such a line
 *     xid SERIAL INDEX NUMBER GI    an event, told once to an event set that was registered before it stood here;
 *                                   GI is the GPU instance, or - for the whole GPU
 *     mig INDEX NUMBER GI UUID NAME the GPU is divided, and this is one of its instances
 *     migprocess INDEX NUMBER PID BYTES
 *     fail FUNCTION CODE            the function returns this code
 *     hang FUNCTION                 the function does not return while this line stands; while it hangs there is a file
 *                                   beside the text file, with ".hangs" after its name
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
    NVML_ERROR_NOT_SUPPORTED = 3,
    NVML_ERROR_NO_PERMISSION = 4,
    NVML_ERROR_NOT_FOUND = 6,
    NVML_ERROR_INSUFFICIENT_SIZE = 7,
    NVML_ERROR_TIMEOUT = 10,
    NVML_ERROR_GPU_IS_LOST = 15,
} nvmlReturn_t;

typedef struct nvmlDevice_st *nvmlDevice_t;
typedef struct nvmlEventSet_st *nvmlEventSet_t;

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

typedef struct {
    nvmlDevice_t device;
    unsigned long long eventType, eventData;
    unsigned int gpuInstanceId, computeInstanceId;
} nvmlEventData_t;

enum { XID_CRITICAL_ERROR = 8, WHOLE_GPU = ~0u };
enum { MAX = 64, TEXT = 96, SAMPLE_BUFFER = 100 };

struct gpu {
    char uuid[TEXT], name[TEXT];
    nvmlUtilization_t utilization;
    unsigned int milliwatt;
    int lost;
    int has_temperature, has_reasons, has_ecc, has_remapped;
    unsigned int temperature, pending, failed;
    unsigned long long reasons, ecc;
};

struct instance {
    unsigned int gpu, number, place;
    char uuid[TEXT], name[TEXT];
};

struct event {
    unsigned int serial, gpu, number, place;
};

struct machine {
    unsigned int gpus, processes, uses;
    struct gpu gpu[MAX];
    unsigned int process_gpu[MAX], use_gpu[MAX];
    nvmlProcessInfo_t process[MAX];
    nvmlProcessUtilizationSample_t use[MAX];
    unsigned int instances, instance_processes, events;
    struct instance instance[MAX];
    unsigned int process_instance[MAX];
    nvmlProcessInfo_t instance_process[MAX];
    struct event event[MAX];
    int hangs;
    nvmlReturn_t failure;
};

static int initialisations;
static struct {
    int exists, registered[MAX];
    unsigned int told;
} event_set;

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

static void read_instance(struct machine *m, const char *line) {
    struct instance *i = &m->instance[m->instances];
    if (m->instances == MAX || sscanf(line, "mig %u %u %u %95s %95[^\n]", &i->gpu, &i->number, &i->place, i->uuid,
                                      i->name) != 5 || i->gpu >= m->gpus)
        give_up("bad line", line);
    m->instances++;
}

static void read_instance_process(struct machine *m, const char *line) {
    nvmlProcessInfo_t *p = &m->instance_process[m->instance_processes];
    unsigned int gpu, number;
    if (m->instance_processes == MAX ||
        sscanf(line, "migprocess %u %u %u %llu", &gpu, &number, &p->pid, &p->usedGpuMemory) != 4)
        give_up("bad line", line);
    for (unsigned int i = 0; i < m->instances; i++)
        if (m->instance[i].gpu == gpu && m->instance[i].number == number) {
            p->gpuInstanceId = m->instance[i].place;
            m->process_instance[m->instance_processes++] = i;
            return;
        }
    give_up("no such instance", line);
}

static void read_event(struct machine *m, const char *line) {
    struct event *e = &m->event[m->events];
    char place[TEXT];
    if (m->events == MAX || sscanf(line, "xid %u %u %u %95s", &e->serial, &e->gpu, &e->number, place) != 4)
        give_up("bad line", line);
    e->place = strcmp(place, "-") ? (unsigned int)atoi(place) : WHOLE_GPU;
    m->events++;
}

static void read_figure(struct machine *m, const char *word, const char *line) {
    unsigned int index, a, b = 0;
    if (sscanf(line, "%*s %u %u %u", &index, &a, &b) < 2 || index >= m->gpus) give_up("bad line", line);
    struct gpu *gpu = &m->gpu[index];
    if (!strcmp(word, "temperature")) gpu->has_temperature = 1, gpu->temperature = a;
    else if (!strcmp(word, "reasons")) gpu->has_reasons = 1, gpu->reasons = a;
    else if (!strcmp(word, "ecc")) gpu->has_ecc = 1, gpu->ecc = a;
    else gpu->has_remapped = 1, gpu->pending = a, gpu->failed = b;
}

static int is_figure(const char *word) {
    return !strcmp(word, "temperature") || !strcmp(word, "reasons") || !strcmp(word, "ecc") || !strcmp(word, "remapped");
}

static void read_line(struct machine *m, const char *line, const char *function) {
    char word[TEXT], name[TEXT];
    unsigned int index, code;
    if (sscanf(line, "%95s", word) != 1) give_up("empty line", line);
    if (!strcmp(word, "gpu")) read_gpu(m, line);
    else if (!strcmp(word, "process")) read_process(m, line);
    else if (!strcmp(word, "use")) read_use(m, line);
    else if (!strcmp(word, "mig")) read_instance(m, line);
    else if (!strcmp(word, "migprocess")) read_instance_process(m, line);
    else if (!strcmp(word, "xid")) read_event(m, line);
    else if (is_figure(word)) read_figure(m, word, line);
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

static void show_that_it_hangs(int hangs) {
    char path[4096];
    snprintf(path, sizeof path, "%s.hangs", getenv("NVML_STANDIN"));
    if (!hangs) unlink(path);
    else fclose(fopen(path, "w"));
}

static nvmlReturn_t enter(struct machine *m, const char *function) {
    *m = look(function);
    if (!m->hangs) return m->failure;
    for (show_that_it_hangs(1); m->hangs; *m = look(function)) usleep(5000);
    show_that_it_hangs(0);
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

/* The handles of MIG instances follow those of GPUs; a GPU's functions refuse them. */
static nvmlDevice_t instance_handle(unsigned int i) {
    return (nvmlDevice_t)((size_t)i + MAX + 1);
}

static struct instance *instance_of(struct machine *m, nvmlDevice_t device) {
    size_t i = (size_t)device - MAX - 1;
    return (size_t)device > MAX && i < m->instances ? &m->instance[i] : NULL;
}

static nvmlReturn_t enter_any(struct machine *m, const char *function, nvmlDevice_t device, struct instance **part,
                              unsigned int *index) {
    nvmlReturn_t result = enter_initialised(m, function);
    *part = NULL;
    if (result) return result;
    if (!(*part = instance_of(m, device))) return enter_device(m, function, device, index);
    *index = (*part)->gpu;
    return m->gpu[*index].lost ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
}

static int is_divided(const struct machine *m, unsigned int gpu) {
    for (unsigned int i = 0; i < m->instances; i++)
        if (m->instance[i].gpu == gpu) return 1;
    return 0;
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
    struct instance *part;
    unsigned int i;
    nvmlReturn_t result = enter_any(&m, __func__, device, &part, &i);
    return result ? result : give_text(part ? part->uuid : m.gpu[i].uuid, uuid, length);
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length) {
    struct machine m;
    struct instance *part;
    unsigned int i;
    nvmlReturn_t result = enter_any(&m, __func__, device, &part, &i);
    return result ? result : give_text(part ? part->name : m.gpu[i].name, name, length);
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization) {
    struct machine m;
    unsigned int i;
    nvmlReturn_t result = enter_device(&m, __func__, device, &i);
    if (result) return result;
    if (!utilization) return NVML_ERROR_INVALID_ARGUMENT;
    if (is_divided(&m, i)) return NVML_ERROR_NOT_SUPPORTED;
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

static int holds(const struct machine *m, const struct instance *part, unsigned int p, unsigned int gpu) {
    return part ? &m->instance[m->process_instance[p]] == part : m->process_gpu[p] == gpu;
}

/* Of a divided GPU as a whole only a privileged caller is told; here nobody is. */
static nvmlReturn_t running(const char *function, nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos) {
    struct machine m;
    struct instance *part;
    unsigned int i, room, found = 0;
    nvmlReturn_t result = enter_any(&m, function, device, &part, &i);
    if (result) return result;
    if (!count || (*count && !infos)) return NVML_ERROR_INVALID_ARGUMENT;
    if (!part && is_divided(&m, i)) return NVML_ERROR_NO_PERMISSION;
    room = *count;
    const nvmlProcessInfo_t *process = part ? m.instance_process : m.process;
    for (unsigned int p = 0; p < (part ? m.instance_processes : m.processes); p++) {
        if (!holds(&m, part, p, i)) continue;
        if (found < room) infos[found] = process[p];
        found++;
    }
    *count = found;
    return found > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int *count, nvmlProcessInfo_t *infos) {
    return running(__func__, device, count, infos);
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned int sensor, unsigned int *celsius) {
    struct machine m;
    unsigned int i;
    nvmlReturn_t result = enter_device(&m, __func__, device, &i);
    if (result) return result;
    if (sensor || !celsius) return NVML_ERROR_INVALID_ARGUMENT;
    *celsius = m.gpu[i].temperature;
    return m.gpu[i].has_temperature ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

static nvmlReturn_t reasons(const char *function, nvmlDevice_t device, unsigned long long *bits) {
    struct machine m;
    unsigned int i;
    nvmlReturn_t result = enter_device(&m, function, device, &i);
    if (result) return result;
    if (!bits) return NVML_ERROR_INVALID_ARGUMENT;
    *bits = m.gpu[i].reasons;
    return m.gpu[i].has_reasons ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device, unsigned long long *bits) {
    return reasons(__func__, device, bits);
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, unsigned int type, unsigned int counter,
                                         unsigned long long *count) {
    struct machine m;
    unsigned int i;
    nvmlReturn_t result = enter_device(&m, __func__, device, &i);
    if (result) return result;
    if (type > 1 || counter > 1 || !count) return NVML_ERROR_INVALID_ARGUMENT;
    *count = type == 1 && counter == 0 ? m.gpu[i].ecc : 1000; /* corrected ones, and those of the GPU's life */
    return m.gpu[i].has_ecc ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

static unsigned int newest(const struct machine *m) {
    unsigned int serial = 0;
    for (unsigned int e = 0; e < m->events; e++)
        if (m->event[e].serial > serial) serial = m->event[e].serial;
    return serial;
}

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set) {
    struct machine m;
    nvmlReturn_t result = enter_initialised(&m, __func__);
    if (result) return result;
    if (!set || event_set.exists) return NVML_ERROR_INVALID_ARGUMENT;
    memset(&event_set, 0, sizeof event_set);
    event_set.exists = 1;
    *set = (nvmlEventSet_t)&event_set;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set) {
    struct machine m;
    unsigned int i;
    nvmlReturn_t result = enter_device(&m, __func__, device, &i);
    if (result) return result;
    if (!event_set.exists || set != (nvmlEventSet_t)&event_set) return NVML_ERROR_INVALID_ARGUMENT;
    if (types != XID_CRITICAL_ERROR) return NVML_ERROR_NOT_SUPPORTED;
    event_set.registered[i] = 1;
    event_set.told = newest(&m);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout_ms) {
    struct machine m;
    nvmlReturn_t result = enter_initialised(&m, __func__);
    if (result) return result;
    if (!event_set.exists || set != (nvmlEventSet_t)&event_set || !data) return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned int e = 0; e < m.events; e++) {
        struct event event = m.event[e];
        if (event.serial <= event_set.told || !event_set.registered[event.gpu]) continue;
        event_set.told = event.serial;
        *data = (nvmlEventData_t){(nvmlDevice_t)((size_t)event.gpu + 1), XID_CRITICAL_ERROR, event.number, event.place,
                                  WHOLE_GPU};
        return NVML_SUCCESS;
    }
    usleep(timeout_ms * 1000);
    return NVML_ERROR_TIMEOUT;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set) {
    struct machine m;
    nvmlReturn_t result = enter_initialised(&m, __func__);
    if (result) return result;
    if (!event_set.exists || set != (nvmlEventSet_t)&event_set) return NVML_ERROR_INVALID_ARGUMENT;
    event_set.exists = 0;
    return NVML_SUCCESS;
}

#ifndef OLD_DRIVER
nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device, unsigned long long *bits) {
    return reasons(__func__, device, bits);
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected, unsigned int *uncorrected,
                                       unsigned int *pending, unsigned int *failed) {
    struct machine m;
    unsigned int i;
    nvmlReturn_t result = enter_device(&m, __func__, device, &i);
    if (result) return result;
    if (!corrected || !uncorrected || !pending || !failed) return NVML_ERROR_INVALID_ARGUMENT;
    *corrected = *uncorrected = 0;
    *pending = m.gpu[i].pending;
    *failed = m.gpu[i].failed;
    return m.gpu[i].has_remapped ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending) {
    struct machine m;
    unsigned int i;
    nvmlReturn_t result = enter_device(&m, __func__, device, &i);
    if (result) return result;
    if (!current || !pending) return NVML_ERROR_INVALID_ARGUMENT;
    *current = *pending = (unsigned int)is_divided(&m, i);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count) {
    struct machine m;
    unsigned int i;
    nvmlReturn_t result = enter_device(&m, __func__, device, &i);
    if (result) return result;
    if (!count) return NVML_ERROR_INVALID_ARGUMENT;
    *count = 7;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int number, nvmlDevice_t *part) {
    struct machine m;
    unsigned int gpu;
    nvmlReturn_t result = enter_device(&m, __func__, device, &gpu);
    if (result) return result;
    if (!part || number >= 7) return NVML_ERROR_INVALID_ARGUMENT;
    for (unsigned int i = 0; i < m.instances; i++)
        if (m.instance[i].gpu == gpu && m.instance[i].number == number) {
            *part = instance_handle(i);
            return NVML_SUCCESS;
        }
    return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int *place) {
    struct machine m;
    struct instance *part;
    unsigned int gpu;
    nvmlReturn_t result = enter_any(&m, __func__, device, &part, &gpu);
    if (result) return result;
    if (!part || !place) return NVML_ERROR_INVALID_ARGUMENT;
    *place = part->place;
    return NVML_SUCCESS;
}

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
    if (is_divided(&m, i)) return NVML_ERROR_NOT_SUPPORTED;
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
