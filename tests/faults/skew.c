/* Shifts CLOCK_REALTIME, and nothing else, by the seconds in the file named by FAULTS_SKEW.
   The file holds one double and may change at any time: then the clock steps. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile double *skew;
static int (*real_gettime)(clockid_t, struct timespec *);

static void __attribute__((constructor)) find(void) {
    const char *path = getenv("FAULTS_SKEW");
    int file = path ? open(path, O_RDONLY) : -1;
    real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    if (file < 0) return;
    void *page = mmap(NULL, sizeof(double), PROT_READ, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) skew = page;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    if (!real_gettime) real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_gettime(clock, at);
    if (result == 0 && skew && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        double seconds = *skew;
        long whole = (long)seconds;
        at->tv_sec += whole;
        at->tv_nsec += (long)((seconds - whole) * 1e9);
        if (at->tv_nsec < 0) { at->tv_nsec += 1000000000L; at->tv_sec -= 1; }
        if (at->tv_nsec >= 1000000000L) { at->tv_nsec -= 1000000000L; at->tv_sec += 1; }
    }
    return result;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    (void)zone;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return result;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
