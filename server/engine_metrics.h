// The metrics that are read off the engine at scrape time.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "engine/engine.h"

namespace quire::server {

// Gauges are the state of the moment and counters the engine's own, so that neither can drift.
std::vector<prometheus::MetricFamily> engine_metrics(const engine::Engine& engine,
                                                     const std::string& model_name);

// process_*: memory, processor time, descriptors.
std::vector<prometheus::MetricFamily> process_metrics();

}  // namespace quire::server
