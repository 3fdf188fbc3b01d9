/* launch PROGRAM ARGUMENT...: runs it, then prints its peak resident set in bytes and its nanoseconds, exec to exit.
 *
 * A process's peak counts what its parent held when it was started, so the parent has to be as small as this. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **arguments) {
  struct timespec start, end;
  struct rusage used;
  int status;
  if (count < 2) return 2;
  clock_gettime(CLOCK_MONOTONIC, &start);
  const pid_t child = fork();
  if (child == 0) {
    execv(arguments[1], arguments + 1);
    _exit(127);
  }
  if (child < 0 || wait4(child, &status, 0, &used) != child || status != 0) return 1;
  clock_gettime(CLOCK_MONOTONIC, &end);
#ifdef __APPLE__
  const long long peak = used.ru_maxrss;
#else
  const long long peak = used.ru_maxrss * 1024LL;
#endif
  printf("%lld %lld\n", peak, (end.tv_sec - start.tv_sec) * 1000000000LL + (end.tv_nsec - start.tv_nsec));
  return 0;
}
