/*===- FakeDriver.h - A driver that writes down what it is asked ----------===*/
#ifndef DECAY_TEST_SUPPORT_GPU_FAKEDRIVER_H
#define DECAY_TEST_SUPPORT_GPU_FAKEDRIVER_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct FakeLaunch {
  unsigned grid[3], threads, shared_bytes;
  void *stream;
  char kernel[64];
  char parameter[144]; /* as many bytes as the tests' kernels take */
} FakeLaunch;

typedef struct FakeDriver {
  /* What it answers. */
  int major, minor, device, memory_device, no_context, version, device_count;
  int cache_bytes;
  int init_result, load_result, wait_result, copy_result, capture_result;
  /* What it was asked. */
  int loads, shared_limit, pointer_questions, waits, launch_count;
  int captures, graph_launches;
  int contexts, streams, events, graphs; /* alive */
  FakeLaunch launches[16];
} FakeDriver;

extern FakeDriver fake_driver;
extern char fake_device_memory[1 << 24];

#ifdef __cplusplus
}
#endif
#endif /* DECAY_TEST_SUPPORT_GPU_FAKEDRIVER_H */
