//===- Schedule.h - Which schedule serves which core ------------*- C++ -*-===//
#ifndef DECAY_COMPILER_TARGET_CPU_CORES_SCHEDULE_H
#define DECAY_COMPILER_TARGET_CPU_CORES_SCHEDULE_H

#include "compiler/target/cpu/cores/Cores.h"

namespace decay::cpu {

/// A row per kind of core. The ratio is the time of the recurrent core over
/// that of the tree, measured at K = V = 64 on full chunks, for AVX-512 and
/// AVX2 (the README names the command): what the choice rests on.
struct ScheduleRow {
  Direction direction;
  Granularity granularity;
  Schedule schedule;
  double ratioAvx512, ratioAvx2;
};

/// The row of a kind of core; there is one for each. It holds for every width:
/// the tree was slower for none but K = V = 16, and for fewer tokens than a
/// block has it is the recurrence.
const ScheduleRow *chooseSchedule(Direction direction, Granularity granularity);

} // namespace decay::cpu

#endif // DECAY_COMPILER_TARGET_CPU_CORES_SCHEDULE_H
