/*===- Query.c - The one symbol that a package exports --------------------===*/
#include "compiler/target/cpu/glue/Glue.h"

__attribute__((visibility("default"))) const DecayPackage *
decay_package_query(uint32_t version, const DecayHost *host) {
  if (version != DECAY_ABI_VERSION || !host)
    return 0;
  for (int64_t i = 0; i < glueVariantCount; ++i)
    if (*(const uint32_t *)((const char *)host + glueVariants[i].host_flag))
      return glueVariants[i].package;
  return 0;
}
