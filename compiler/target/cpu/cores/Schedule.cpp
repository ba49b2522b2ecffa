//===- Schedule.cpp - Which schedule serves which core --------------------===//
#include "compiler/target/cpu/cores/Schedule.h"

#include "llvm/ADT/STLExtras.h"

namespace decay::cpu {

static constexpr ScheduleRow rows[] = {
    {Direction::forward, Granularity::vector, Schedule::tree, 1.2, 1.2},
    {Direction::forward, Granularity::scalar, Schedule::tree, 1.2, 1.2},
    {Direction::state, Granularity::vector, Schedule::tree, 1.8, 1.7},
    {Direction::state, Granularity::scalar, Schedule::tree, 1.8, 1.7},
    {Direction::backward, Granularity::vector, Schedule::tree, 1.6, 1.7},
    {Direction::backward, Granularity::scalar, Schedule::tree, 1.6, 1.7},
};

const ScheduleRow *chooseSchedule(Direction direction,
                                  Granularity granularity) {
  const ScheduleRow *row = llvm::find_if(rows, [&](const ScheduleRow &row) {
    return row.direction == direction && row.granularity == granularity;
  });
  assert(row != std::end(rows) && "a kind of core without a schedule");
  return row;
}

} // namespace decay::cpu
