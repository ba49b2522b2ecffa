//===- DatasetNames.h - What a data folder is made of ----------*- C++ -*-===//
#ifndef DECAY_RUNTIME_DATA_DATASETNAMES_H
#define DECAY_RUNTIME_DATA_DATASETNAMES_H

#include <cstdint>

namespace decay::runtime {

inline constexpr const char *tokenizerName = "tokenizer.json";
inline constexpr const char *datasetName = "dataset.json";
inline constexpr int64_t datasetFormat = 1;

} // namespace decay::runtime

#endif // DECAY_RUNTIME_DATA_DATASETNAMES_H
