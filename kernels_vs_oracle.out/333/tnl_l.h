/* Made by decayc from the design tnl_l. Package c9ad405bc467495e87c4d3890c1cb623076b225e70d27bda4b67f1ddfebcb22e
 * for target cpu. How to load and launch it: DecayPackage.h. */
#ifndef DECAY_PACKAGE_TNL_L_H
#define DECAY_PACKAGE_TNL_L_H

#include "runtime/abi/DecayPackage.h"

/* Entry 0, forward: the operands' places. */
enum {
  TNL_L_FORWARD_Q, /* [B T H K], read */
  TNL_L_FORWARD_K, /* [B T H K], read */
  TNL_L_FORWARD_V, /* [B T H V], read */
  TNL_L_FORWARD_THETA, /* [H], read */
  TNL_L_FORWARD_INITIAL_STATE, /* [N H W V], read, optional */
  TNL_L_FORWARD_O, /* [B T H V], written */
  TNL_L_FORWARD_FINAL_STATE, /* [N H W V], written, optional */
  TNL_L_FORWARD_LAMBDA, /* [B T H], written, optional */
  TNL_L_FORWARD_OPERANDS
};

/* Entry 1, backward: the operands' places. */
enum {
  TNL_L_BACKWARD_Q, /* [B T H K], read */
  TNL_L_BACKWARD_K, /* [B T H K], read */
  TNL_L_BACKWARD_V, /* [B T H V], read */
  TNL_L_BACKWARD_THETA, /* [H], read */
  TNL_L_BACKWARD_INITIAL_STATE, /* [N H W V], read, optional */
  TNL_L_BACKWARD_D_O, /* [B T H V], read */
  TNL_L_BACKWARD_D_FINAL_STATE, /* [N H W V], read, optional */
  TNL_L_BACKWARD_D_Q, /* [B T H K], written, optional */
  TNL_L_BACKWARD_D_K, /* [B T H K], written, optional */
  TNL_L_BACKWARD_D_V, /* [B T H V], written, optional */
  TNL_L_BACKWARD_D_THETA, /* [H], written, optional */
  TNL_L_BACKWARD_D_INITIAL_STATE, /* [N H W V], written, optional */
  TNL_L_BACKWARD_OPERANDS
};

/* Entry 2, step: the operands' places. */
enum {
  TNL_L_STEP_Q, /* [B T H K], read */
  TNL_L_STEP_K, /* [B T H K], read */
  TNL_L_STEP_V, /* [B T H V], read */
  TNL_L_STEP_THETA, /* [H], read */
  TNL_L_STEP_INITIAL_STATE, /* [N H W V], read, optional */
  TNL_L_STEP_O, /* [B T H V], written */
  TNL_L_STEP_FINAL_STATE, /* [N H W V], written, optional */
  TNL_L_STEP_LAMBDA, /* [B T H], written, optional */
  TNL_L_STEP_OPERANDS
};

/* Entry 3, init_parameters: the operands' places. */
enum {
  TNL_L_INIT_PARAMETERS_THETA, /* [H], written */
  TNL_L_INIT_PARAMETERS_OPERANDS
};

#endif /* DECAY_PACKAGE_TNL_L_H */
