/* libscunext: runs .scx files, segmentation networks compiled for the processor they meet. C99 and C++.
 *
 *   scx_model *model = scx_open_file("scunext-int8.scx", NULL);
 *   if (!model) { fprintf(stderr, "%s\n", scx_last_error()); return 1; }
 *   scx_run(model, rgb, 1, SCX_SCORE, score);      // rgb: u8 [H][W][3], score: u8 [H][W], 128 or more is lesion
 *   scx_close(model);
 *
 * Different handles may be used at the same time. Calls on one handle wait for each other. */
#ifndef SCUNEXT_H
#define SCUNEXT_H
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define SCX_API __declspec(dllexport)
#else
#define SCX_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct scx_model scx_model;

/* Runs job(argument, i) for every i in 0..count-1, at most `threads` at once, and returns when all have returned. */
typedef void (*scx_parallel)(void *user, int32_t count, void (*job)(void *argument, int32_t i), void *argument);

typedef struct scx_options {
  uint32_t bytes;         /* sizeof(scx_options): lets the struct grow */
  int32_t threads;        /* 1 to 64; 0: 1 */
  const char *isa;        /* a name from scx_isas(); NULL: the best one here */
  int32_t height, width;  /* multiples of 32 up to 4096; 0: what the file was exported for */
  int32_t spin_us;        /* how long an idle thread spins before it sleeps; 0: sleeps at once; -1: the default, 50 */
  scx_parallel parallel;  /* NULL: a pool of the handle's own */
  void *user;             /* passed to `parallel` */
  int32_t profile;        /* not 0: scx_op_time is kept */
} scx_options;

typedef enum { SCX_LOGITS = 0, SCX_SCORE = 1 } scx_output;

typedef struct scx_description {
  uint32_t bytes;             /* set by the caller: sizeof(scx_description) */
  int32_t height, width;      /* of the images that it takes */
  int32_t precision;          /* of the weights: 0 fp32, 1 bf16, 2 int8 */
  int32_t threads;
  const char *isa;
  uint64_t arena_bytes;       /* all memory that a run touches; fixed at open */
  uint64_t file_bytes;
  int32_t operations;
  const char *contract;       /* JSON, not terminated */
  uint32_t contract_bytes;
} scx_description;

/* Version of the library, "0.1.0". */
SCX_API const char *scx_version(void);
/* Instruction sets that can be used here, best first, separated by spaces: "avx2 scalar". */
SCX_API const char *scx_isas(void);
/* Why the last call of this thread failed. Never NULL. */
SCX_API const char *scx_last_error(void);

/* Both return NULL on failure. The file is read, not kept; the memory may be freed after the call. */
SCX_API scx_model *scx_open_file(const char *path, const scx_options *options);
SCX_API scx_model *scx_open_memory(const void *data, size_t bytes, const scx_options *options);
SCX_API void scx_describe(const scx_model *model, scx_description *description);
/* images: u8 [count][H][W][3], RGB. output: f32 (SCX_LOGITS) or u8 (SCX_SCORE) [count][H][W].
 * count is 1 or more. Returns 0, or a negative number on misuse. */
SCX_API int scx_run(scx_model *model, const uint8_t *images, int32_t count, scx_output what, void *output);
SCX_API void scx_close(scx_model *model);

/* The i-th operation: its name ("conv 128x128x16 q8"), its multiply-accumulates for one image, and the nanoseconds that it took in the
 * last image of the last run (0 unless `profile`). */
SCX_API const char *scx_op_name(const scx_model *model, int32_t i);
SCX_API uint64_t scx_op_macs(const scx_model *model, int32_t i);
SCX_API uint64_t scx_op_time(const scx_model *model, int32_t i);

/* What one core can do on an instruction set (NULL: the best one), measured now, within a tenth of a second:
 * multiply-accumulates per second, of f32 or of bytes. Returns 0, or a negative number on misuse. */
typedef enum { SCX_F32 = 0, SCX_INT8 = 1 } scx_arithmetic;
SCX_API int scx_peak(const char *isa, scx_arithmetic what, double *macs_per_second);

/* For tests: one operation alone, on tensors given and read as f32 [height][width][channels] of stored numbers.
 * `values` holds the count that scx_tensor_count() tells. Only for handles opened with profile = 2, whose tensors do not share memory. */
SCX_API int64_t scx_tensor_count(const scx_model *model, int32_t tensor);
SCX_API int scx_tensor_write(scx_model *model, int32_t tensor, const float *values);
SCX_API int scx_tensor_read(scx_model *model, int32_t tensor, float *values);
SCX_API int scx_op_run(scx_model *model, int32_t i, const uint8_t *image, scx_output what, void *output);

#ifdef __cplusplus
}
#endif
#endif
