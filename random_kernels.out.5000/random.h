/* Made by decayc from the design random. Package 12c5da017c4acadd21d36197755c575d001694eae6af799bd40be7e63d975cc8
 * for target cpu. How to load and launch it: DecayPackage.h. */
#ifndef DECAY_PACKAGE_RANDOM_H
#define DECAY_PACKAGE_RANDOM_H

#include "runtime/abi/DecayPackage.h"

/* Entry 0, forward: the operands' places. */
enum {
  RANDOM_FORWARD_Q, /* [B T H K], read */
  RANDOM_FORWARD_K, /* [B T H K], read */
  RANDOM_FORWARD_V, /* [B T H V], read */
  RANDOM_FORWARD_F, /* [B T H K], read */
  RANDOM_FORWARD_A, /* [H], read */
  RANDOM_FORWARD_INITIAL_STATE, /* [N H W V], read, optional */
  RANDOM_FORWARD_O, /* [B T H V], written */
  RANDOM_FORWARD_FINAL_STATE, /* [N H W V], written, optional */
  RANDOM_FORWARD_LAMBDA, /* [B T H K], written, optional */
  RANDOM_FORWARD_OPERANDS
};

/* Entry 1, backward: the operands' places. */
enum {
  RANDOM_BACKWARD_Q, /* [B T H K], read */
  RANDOM_BACKWARD_K, /* [B T H K], read */
  RANDOM_BACKWARD_V, /* [B T H V], read */
  RANDOM_BACKWARD_F, /* [B T H K], read */
  RANDOM_BACKWARD_A, /* [H], read */
  RANDOM_BACKWARD_INITIAL_STATE, /* [N H W V], read, optional */
  RANDOM_BACKWARD_D_O, /* [B T H V], read */
  RANDOM_BACKWARD_D_FINAL_STATE, /* [N H W V], read, optional */
  RANDOM_BACKWARD_D_Q, /* [B T H K], written, optional */
  RANDOM_BACKWARD_D_K, /* [B T H K], written, optional */
  RANDOM_BACKWARD_D_V, /* [B T H V], written, optional */
  RANDOM_BACKWARD_D_F, /* [B T H K], written, optional */
  RANDOM_BACKWARD_D_A, /* [H], written, optional */
  RANDOM_BACKWARD_D_INITIAL_STATE, /* [N H W V], written, optional */
  RANDOM_BACKWARD_OPERANDS
};

/* Entry 2, step: the operands' places. */
enum {
  RANDOM_STEP_Q, /* [B T H K], read */
  RANDOM_STEP_K, /* [B T H K], read */
  RANDOM_STEP_V, /* [B T H V], read */
  RANDOM_STEP_F, /* [B T H K], read */
  RANDOM_STEP_A, /* [H], read */
  RANDOM_STEP_INITIAL_STATE, /* [N H W V], read, optional */
  RANDOM_STEP_O, /* [B T H V], written */
  RANDOM_STEP_FINAL_STATE, /* [N H W V], written, optional */
  RANDOM_STEP_LAMBDA, /* [B T H K], written, optional */
  RANDOM_STEP_OPERANDS
};

/* Entry 3, init_parameters: the operands' places. */
enum {
  RANDOM_INIT_PARAMETERS_A, /* [H], written */
  RANDOM_INIT_PARAMETERS_OPERANDS
};

#endif /* DECAY_PACKAGE_RANDOM_H */
