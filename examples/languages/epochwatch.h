/* Heartbeats for epochwatch from C and C++, on Linux: one header, no library. docs/wire.md describes the file it writes.
 *
 *     #include "epochwatch.h"
 *
 *     ew_start("my-training", 90, 0);               // job; how many epochs and steps are planned, 0 if none are
 *     for (int epoch = 0; epoch < 90; epoch++)
 *         ew_beat(epoch, EW_NONE, train());         // epoch from 0, step, loss; EW_NONE where there is none
 *     ew_finish();                                  // or ew_fail("why"); the exit status tells it, too
 *
 * No call blocks, prints or ends the program. All calls come from one thread at a time.
 */
#ifndef EPOCHWATCH_H
#define EPOCHWATCH_H

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EW_NONE (-1e300)
#define EW_HEAD 128
#define EW_BODY_MAX 4096

struct ew_run {
    int file;
    char path[PATH_MAX + 16];
    char job[512 + 1];
    char body[EW_BODY_MAX];
    uint64_t count;
    double epoch, step, loss;
    double epochs, steps;
    char run[13];
    int64_t began_ns;
};

__attribute__((weak)) struct ew_run ew_the_run = {-1, "", "", "", 0, EW_NONE, EW_NONE, EW_NONE, 0, 0, "", 0};

static inline int64_t ew_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline uint32_t ew_crc(const unsigned char *data, size_t length) {
    uint32_t crc = ~(uint32_t)0;
    for (size_t i = 0; i < length; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

static inline void ew_put(unsigned char *at, const void *value, size_t length) {
    memcpy(at, value, length); /* little-endian, as all machines that train are */
}

/* A text as JSON has it. */
static inline void ew_quote(char *to, size_t size, const char *text) {
    size_t used = 0;
    for (; *text && used + 8 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') used += (size_t)snprintf(to + used, size - used, "\\%c", c);
        else if (c < 0x20) used += (size_t)snprintf(to + used, size - used, "\\u%04x", c);
        else to[used++] = (char)c;
    }
    to[used] = 0;
}

static inline long long ew_start_ticks(void) {
    char stat[1024] = "";
    FILE *file = fopen("/proc/self/stat", "r");
    if (!file) return 0;
    size_t length = fread(stat, 1, sizeof stat - 1, file);
    fclose(file);
    stat[length] = 0;
    char *field = strrchr(stat, ')');
    for (int n = 0; field && n < 20; n++) field = strchr(field + 1, ' ');
    return field ? atoll(field + 1) : 0;
}

static inline void ew_boot(char boot[64]) {
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    boot[0] = 0;
    if (!file) return;
    if (fgets(boot, 64, file)) boot[strcspn(boot, "\n")] = 0;
    fclose(file);
}

/* The body: who it is, what it plans, and why it failed, if it did. Gives its length. */
static inline size_t ew_body(const char *reason) {
    struct ew_run *run = &ew_the_run;
    char job[1100], boot[64], host[256] = "", why[1100] = "";
    struct stat space;
    ew_quote(job, sizeof job, run->job);
    ew_boot(boot);
    gethostname(host, sizeof host - 1);
    int length = snprintf(
        run->body, sizeof run->body,
        "{\"job\":\"%s\",\"run\":\"%s\",\"pid\":%d,\"start\":%lld,\"boot\":\"%s\",\"host\":\"%s\",\"began_ns\":%lld", job,
        run->run, (int)getpid(), ew_start_ticks(), boot, host, (long long)run->began_ns);
    if (stat("/proc/self/ns/pid", &space) == 0)
        length += snprintf(run->body + length, sizeof run->body - length, ",\"pidns\":%llu", (unsigned long long)space.st_ino);
    if (run->epochs > 0) length += snprintf(run->body + length, sizeof run->body - length, ",\"epochs\":%.0f", run->epochs);
    if (run->steps > 0) length += snprintf(run->body + length, sizeof run->body - length, ",\"steps\":%.0f", run->steps);
    if (reason) {
        ew_quote(why, sizeof why, reason);
        length += snprintf(run->body + length, sizeof run->body - length, ",\"reason\":\"%s\"", why);
    }
    length += snprintf(run->body + length, sizeof run->body - length, "}");
    return (size_t)length;
}

static inline void ew_head(unsigned char head[EW_HEAD], unsigned char state, size_t body) {
    struct ew_run *run = &ew_the_run;
    int64_t now = ew_now_ns(), step = run->step == EW_NONE ? 0 : (int64_t)run->step;
    double epoch = run->epoch == EW_NONE ? 0 : run->epoch, loss = run->loss == EW_NONE ? 0 : run->loss;
    uint16_t there = (uint16_t)((run->epoch == EW_NONE ? 0 : 1) | (run->step == EW_NONE ? 0 : 2) | (run->loss == EW_NONE ? 0 : 4));
    uint32_t at = EW_HEAD, length = (uint32_t)body, crc = ew_crc((const unsigned char *)run->body, body);
    memset(head, 0, EW_HEAD);
    memcpy(head, "EPWT\1", 5);
    head[5] = state;
    ew_put(head + 6, &there, 2);
    ew_put(head + 8, &run->count, 8);
    ew_put(head + 16, &now, 8);
    ew_put(head + 24, &step, 8);
    ew_put(head + 32, &epoch, 8);
    ew_put(head + 40, &loss, 8);
    ew_put(head + 112, &at, 4);
    ew_put(head + 116, &length, 4);
    ew_put(head + 120, &crc, 4);
    crc = ew_crc(head, 124);
    ew_put(head + 124, &crc, 4);
}

/* Write the file whole under a hidden name, and then give it its own: nobody sees it half. */
static inline int ew_create(const char *folder, unsigned char state, size_t body) {
    struct ew_run *run = &ew_the_run;
    unsigned char head[EW_HEAD];
    char hidden[PATH_MAX + 16];
    struct stat about;
    if (!folder || !*folder || strlen(folder) > PATH_MAX - 64 || stat(folder, &about) != 0) return -1;
    snprintf(run->path, sizeof run->path, "%s/ew-%s.beat", folder, run->run);
    snprintf(hidden, sizeof hidden, "%s/.ew-%s", folder, run->run);
    int file = open(hidden, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) return -1;
    ew_head(head, state, body);
    int ok = pwrite(file, head, EW_HEAD, 0) == EW_HEAD && pwrite(file, run->body, body, EW_HEAD) == (ssize_t)body &&
             fchmod(file, about.st_mode & S_ISGID ? 0640 : 0644) == 0 && rename(hidden, run->path) == 0;
    if (ok) return file;
    unlink(hidden);
    close(file);
    return -1;
}

static inline void ew_open(unsigned char state, size_t body) {
    struct ew_run *run = &ew_the_run;
    char folder[PATH_MAX];
    const char *runtime = getenv("XDG_RUNTIME_DIR"), *temporary = getenv("TMPDIR");
    run->file = ew_create(getenv("EPOCHWATCH_DIR"), state, body);
    if (run->file < 0) run->file = ew_create("/run/epochwatch", state, body);
    if (run->file < 0 && runtime) {
        snprintf(folder, sizeof folder, "%.4000s/epochwatch", runtime);
        mkdir(folder, 0700);
        run->file = ew_create(folder, state, body);
    }
    if (run->file < 0) {
        struct stat about;
        snprintf(folder, sizeof folder, "%.4000s/epochwatch-%d", temporary && *temporary ? temporary : "/tmp", (int)getuid());
        mkdir(folder, 0700);
        if (lstat(folder, &about) == 0 && S_ISDIR(about.st_mode) && about.st_uid == getuid())
            run->file = ew_create(folder, state, body);
    }
}

/* Begin a run of a job. */
static inline void ew_start(const char *job, double epochs, double steps) {
    struct ew_run *run = &ew_the_run;
    unsigned char bytes[6] = {0};
    const char *off = getenv("EPOCHWATCH_OFF"), *named = getenv("EPOCHWATCH_JOB");
    int source = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (source >= 0) {
        if (read(source, bytes, sizeof bytes) < 0) bytes[0] = 0;
        close(source);
    }
    for (int i = 0; i < 6; i++) snprintf(run->run + 2 * i, 3, "%02x", bytes[i]);
    snprintf(run->job, sizeof run->job, "%s", job && *job ? job : named && *named ? named : "c-program");
    run->epochs = epochs;
    run->steps = steps;
    run->count = 0;
    run->epoch = run->step = run->loss = EW_NONE;
    run->began_ns = ew_now_ns();
    if (run->file >= 0) close(run->file);
    run->file = -1;
    if (!(off && strcmp(off, "1") == 0)) ew_open(0, ew_body(NULL));
}

/* One heartbeat: about two microseconds. */
static inline void ew_beat(double epoch, double step, double loss) {
    struct ew_run *run = &ew_the_run;
    unsigned char head[EW_HEAD];
    if (run->file < 0) return;
    if (epoch != EW_NONE) run->epoch = epoch;
    if (step != EW_NONE) run->step = step;
    if (loss != EW_NONE) run->loss = loss; /* NaN is told: it is what one wants to know */
    run->count++;
    ew_head(head, 0, strlen(run->body));
    if (pwrite(run->file, head, EW_HEAD, 0) != EW_HEAD) return; /* a full disk: the next one may be taken */
}

static inline void ew_end(unsigned char state, const char *reason) {
    struct ew_run *run = &ew_the_run;
    if (run->file < 0) return;
    close(run->file);
    ew_open(state, ew_body(reason)); /* anew, as its body is another */
    if (run->file >= 0) close(run->file);
    run->file = -1;
}

static inline void ew_finish(void) { ew_end(1, NULL); }
static inline void ew_fail(const char *reason) { ew_end(2, reason ? reason : "failed"); }

#endif
