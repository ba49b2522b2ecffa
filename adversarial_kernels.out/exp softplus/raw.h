/* Made by decayc from the design raw. Package 6c6cb13035503523a769694868e13555b0d3fe51d106c4c1d36a9a2b5f571244
 * for target cpu. How to load and launch it: DecayPackage.h. */
#ifndef DECAY_PACKAGE_RAW_H
#define DECAY_PACKAGE_RAW_H

#include "runtime/abi/DecayPackage.h"

/* Entry 0, forward: the operands' places. */
enum {
  RAW_FORWARD_Q, /* [B T H K], read */
  RAW_FORWARD_V, /* [B T H V], read */
  RAW_FORWARD_F, /* [B T H K], read */
  RAW_FORWARD_A, /* [H K], read */
  RAW_FORWARD_INITIAL_STATE, /* [N H W V], read, optional */
  RAW_FORWARD_O, /* [B T H V], written */
  RAW_FORWARD_FINAL_STATE, /* [N H W V], written, optional */
  RAW_FORWARD_LAMBDA, /* [B T H K], written, optional */
  RAW_FORWARD_OPERANDS
};

/* Entry 1, backward: the operands' places. */
enum {
  RAW_BACKWARD_Q, /* [B T H K], read */
  RAW_BACKWARD_V, /* [B T H V], read */
  RAW_BACKWARD_F, /* [B T H K], read */
  RAW_BACKWARD_A, /* [H K], read */
  RAW_BACKWARD_INITIAL_STATE, /* [N H W V], read, optional */
  RAW_BACKWARD_D_O, /* [B T H V], read */
  RAW_BACKWARD_D_FINAL_STATE, /* [N H W V], read, optional */
  RAW_BACKWARD_D_Q, /* [B T H K], written, optional */
  RAW_BACKWARD_D_V, /* [B T H V], written, optional */
  RAW_BACKWARD_D_F, /* [B T H K], written, optional */
  RAW_BACKWARD_D_A, /* [H K], written, optional */
  RAW_BACKWARD_D_INITIAL_STATE, /* [N H W V], written, optional */
  RAW_BACKWARD_OPERANDS
};

/* Entry 2, step: the operands' places. */
enum {
  RAW_STEP_Q, /* [B T H K], read */
  RAW_STEP_V, /* [B T H V], read */
  RAW_STEP_F, /* [B T H K], read */
  RAW_STEP_A, /* [H K], read */
  RAW_STEP_INITIAL_STATE, /* [N H W V], read, optional */
  RAW_STEP_O, /* [B T H V], written */
  RAW_STEP_FINAL_STATE, /* [N H W V], written, optional */
  RAW_STEP_LAMBDA, /* [B T H K], written, optional */
  RAW_STEP_OPERANDS
};

/* Entry 3, init_parameters: the operands' places. */
enum {
  RAW_INIT_PARAMETERS_A, /* [H K], written */
  RAW_INIT_PARAMETERS_OPERANDS
};

#endif /* DECAY_PACKAGE_RAW_H */
