/*===- Query.c - The one symbol that a package exports --------------------===*/
#include "compiler/target/cuda/glue/Glue.h"

__attribute__((visibility("default"))) const DecayPackage *
decay_package_query(uint32_t version, const DecayHost *host) {
  return version == DECAY_ABI_VERSION && host ? &gluePackage : 0;
}
