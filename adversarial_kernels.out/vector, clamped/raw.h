/* Made by decayc from the design raw. Package 8f699824a2a4be4d12d7a1b01673ba7b07b707638c68dee9f7c7590930409a8a
 * for target cpu. How to load and launch it: DecayPackage.h. */
#ifndef DECAY_PACKAGE_RAW_H
#define DECAY_PACKAGE_RAW_H

#include "runtime/abi/DecayPackage.h"

/* Entry 0, forward: the operands' places. */
enum {
  RAW_FORWARD_Q, /* [B T H K], read */
  RAW_FORWARD_K, /* [B T H K], read */
  RAW_FORWARD_V, /* [B T H V], read */
  RAW_FORWARD_F, /* [B T H K], read */
  RAW_FORWARD_INITIAL_STATE, /* [N H W V], read, optional */
  RAW_FORWARD_O, /* [B T H V], written */
  RAW_FORWARD_FINAL_STATE, /* [N H W V], written, optional */
  RAW_FORWARD_LAMBDA, /* [B T H K], written, optional */
  RAW_FORWARD_OPERANDS
};

/* Entry 1, backward: the operands' places. */
enum {
  RAW_BACKWARD_Q, /* [B T H K], read */
  RAW_BACKWARD_K, /* [B T H K], read */
  RAW_BACKWARD_V, /* [B T H V], read */
  RAW_BACKWARD_F, /* [B T H K], read */
  RAW_BACKWARD_INITIAL_STATE, /* [N H W V], read, optional */
  RAW_BACKWARD_D_O, /* [B T H V], read */
  RAW_BACKWARD_D_FINAL_STATE, /* [N H W V], read, optional */
  RAW_BACKWARD_D_Q, /* [B T H K], written, optional */
  RAW_BACKWARD_D_K, /* [B T H K], written, optional */
  RAW_BACKWARD_D_V, /* [B T H V], written, optional */
  RAW_BACKWARD_D_F, /* [B T H K], written, optional */
  RAW_BACKWARD_D_INITIAL_STATE, /* [N H W V], written, optional */
  RAW_BACKWARD_OPERANDS
};

/* Entry 2, step: the operands' places. */
enum {
  RAW_STEP_Q, /* [B T H K], read */
  RAW_STEP_K, /* [B T H K], read */
  RAW_STEP_V, /* [B T H V], read */
  RAW_STEP_F, /* [B T H K], read */
  RAW_STEP_INITIAL_STATE, /* [N H W V], read, optional */
  RAW_STEP_O, /* [B T H V], written */
  RAW_STEP_FINAL_STATE, /* [N H W V], written, optional */
  RAW_STEP_LAMBDA, /* [B T H K], written, optional */
  RAW_STEP_OPERANDS
};

/* Entry 3, init_parameters: the operands' places. */
enum {
  RAW_INIT_PARAMETERS_OPERANDS
};

#endif /* DECAY_PACKAGE_RAW_H */
