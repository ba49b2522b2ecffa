/* Made by decayc from the design simple_decay. Package a31ae8e28d13bf0510e54f22123f2dfb1c0728102f55e8b5989e66b16c4bae9e
 * for target cpu. How to load and launch it: DecayPackage.h. */
#ifndef DECAY_PACKAGE_SIMPLE_DECAY_H
#define DECAY_PACKAGE_SIMPLE_DECAY_H

#include "runtime/abi/DecayPackage.h"

/* Entry 0, forward: the operands' places. */
enum {
  SIMPLE_DECAY_FORWARD_Q, /* [B T H K], read */
  SIMPLE_DECAY_FORWARD_K, /* [B T H K], read */
  SIMPLE_DECAY_FORWARD_V, /* [B T H V], read */
  SIMPLE_DECAY_FORWARD_DELTA, /* [H K], read */
  SIMPLE_DECAY_FORWARD_INITIAL_STATE, /* [N H W V], read, optional */
  SIMPLE_DECAY_FORWARD_O, /* [B T H V], written */
  SIMPLE_DECAY_FORWARD_FINAL_STATE, /* [N H W V], written, optional */
  SIMPLE_DECAY_FORWARD_LAMBDA, /* [B T H K], written, optional */
  SIMPLE_DECAY_FORWARD_OPERANDS
};

/* Entry 1, backward: the operands' places. */
enum {
  SIMPLE_DECAY_BACKWARD_Q, /* [B T H K], read */
  SIMPLE_DECAY_BACKWARD_K, /* [B T H K], read */
  SIMPLE_DECAY_BACKWARD_V, /* [B T H V], read */
  SIMPLE_DECAY_BACKWARD_DELTA, /* [H K], read */
  SIMPLE_DECAY_BACKWARD_INITIAL_STATE, /* [N H W V], read, optional */
  SIMPLE_DECAY_BACKWARD_D_O, /* [B T H V], read */
  SIMPLE_DECAY_BACKWARD_D_FINAL_STATE, /* [N H W V], read, optional */
  SIMPLE_DECAY_BACKWARD_D_Q, /* [B T H K], written, optional */
  SIMPLE_DECAY_BACKWARD_D_K, /* [B T H K], written, optional */
  SIMPLE_DECAY_BACKWARD_D_V, /* [B T H V], written, optional */
  SIMPLE_DECAY_BACKWARD_D_DELTA, /* [H K], written, optional */
  SIMPLE_DECAY_BACKWARD_D_INITIAL_STATE, /* [N H W V], written, optional */
  SIMPLE_DECAY_BACKWARD_OPERANDS
};

/* Entry 2, step: the operands' places. */
enum {
  SIMPLE_DECAY_STEP_Q, /* [B T H K], read */
  SIMPLE_DECAY_STEP_K, /* [B T H K], read */
  SIMPLE_DECAY_STEP_V, /* [B T H V], read */
  SIMPLE_DECAY_STEP_DELTA, /* [H K], read */
  SIMPLE_DECAY_STEP_INITIAL_STATE, /* [N H W V], read, optional */
  SIMPLE_DECAY_STEP_O, /* [B T H V], written */
  SIMPLE_DECAY_STEP_FINAL_STATE, /* [N H W V], written, optional */
  SIMPLE_DECAY_STEP_LAMBDA, /* [B T H K], written, optional */
  SIMPLE_DECAY_STEP_OPERANDS
};

/* Entry 3, init_parameters: the operands' places. */
enum {
  SIMPLE_DECAY_INIT_PARAMETERS_DELTA, /* [H K], written */
  SIMPLE_DECAY_INIT_PARAMETERS_OPERANDS
};

#endif /* DECAY_PACKAGE_SIMPLE_DECAY_H */
