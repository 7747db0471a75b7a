// Attention of all rows of a step over their pages: the tasks and the scratch of the workers.
#pragma once

#include "models/blocks/step.h"

namespace quire::models {

// Attention of one layer; q [T, H, E_k] and out [T, H, E_v] as the kernel wants them.
class PagedAttention {
 public:
  struct Scores {
    float scale = 1;
    float softcap = 0;
  };
  PagedAttention() = default;
  PagedAttention(const KvSite& site, int heads, const Scores& scores);
  void carve(Carver& carver);
  // Keys and values of the step must have been written. One region.
  void run(const Step& step, Rows q, Rows out) const;

 private:
  // Some heads of a unit: `head_parts` tasks share the query heads of a kv head.
  struct Cut {
    Rows q, out;
    int units = 0, head_parts = 1;
  };
  kernels::Attention task_of(const Step& step, const Cut& cut, int index) const;
  int head_parts(const Step& step) const;

  KvSite site_;
  int heads_ = 0;
  Scores scores_;
  float* scratch_ = nullptr;  // [kWorkersMax, scratch_floats_]
  std::int64_t scratch_floats_ = 0;
};

}  // namespace quire::models
