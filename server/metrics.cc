// prometheus-cpp's core and text format only: its own HTTP server is not used.
#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <sstream>

#include "server/engine_metrics.h"

namespace quire::server {
namespace {

using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;

// The buckets of vLLM V1 (vllm/v1/metrics/loggers.py).
const Buckets kFirstTokenBuckets{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                                 1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
const Buckets kTokenTimeBuckets{.01, .025, .05, .075, .1,  .15, .2, .3, .4, .5,
                                .75, 1,    2.5, 5,    7.5, 10,  20, 40, 80};
const Buckets kRequestTimeBuckets{.3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                                  30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
const Buckets kChoicesBuckets{1, 2, 5, 10, 20};
const Buckets kHttpBuckets{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60};

// 1, 2, 5, 10, 20, 50 ... up to `max`.
Buckets token_buckets(std::int64_t max) {
  Buckets out;
  for (std::int64_t decade = 1; decade <= max; decade *= 10) {
    for (const std::int64_t step : {1, 2, 5}) {
      if (step * decade <= max) out.push_back(static_cast<double>(step * decade));
    }
  }
  return out;
}

}  // namespace

struct Metrics::Impl {
  Impl(const std::string& model, std::int64_t context_max)
      : model_name(model), tokens(token_buckets(std::max<std::int64_t>(context_max, 1))) {}

  Histogram& histogram(const char* name, const char* help, const Buckets& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(
        {{"model_name", model_name}, {"engine", "0"}}, buckets);
  }

  std::string model_name;
  Buckets tokens;
  prometheus::Registry registry;

  Histogram& first_token = histogram("vllm:time_to_first_token_seconds",
                                     "From arrival to the first token.", kFirstTokenBuckets);
  Histogram& inter_token =
      histogram("vllm:inter_token_latency_seconds", "Between two tokens.", kTokenTimeBuckets);
  Histogram& per_output_token =
      histogram("vllm:request_time_per_output_token_seconds",
                "Decode time of a request over its tokens after the first.", kTokenTimeBuckets);
  Histogram& e2e = histogram("vllm:e2e_request_latency_seconds", "From arrival to the end.",
                             kRequestTimeBuckets);
  Histogram& queue =
      histogram("vllm:request_queue_time_seconds", "Waiting to be run.", kRequestTimeBuckets);
  Histogram& prefill = histogram("vllm:request_prefill_time_seconds",
                                 "From being run to the first token.", kRequestTimeBuckets);
  Histogram& decode = histogram("vllm:request_decode_time_seconds",
                                "From the first to the last token.", kRequestTimeBuckets);
  Histogram& inference = histogram("vllm:request_inference_time_seconds",
                                   "From being run to the last token.", kRequestTimeBuckets);
  Histogram& prompt_tokens =
      histogram("vllm:request_prompt_tokens", "Prompt tokens per request.", tokens);
  Histogram& computed_tokens = histogram("vllm:request_prefill_kv_computed_tokens",
                                         "Prompt tokens computed, not found in the cache.", tokens);
  Histogram& generation_tokens =
      histogram("vllm:request_generation_tokens", "Generated tokens per choice.", tokens);
  Histogram& generation_max = histogram("vllm:request_max_num_generation_tokens",
                                        "Generated tokens of a request's longest choice.", tokens);
  Histogram& params_n = histogram("vllm:request_params_n", "The n of requests.", kChoicesBuckets);
  Histogram& params_max_tokens =
      histogram("vllm:request_params_max_tokens", "The max_tokens of requests.", tokens);

  prometheus::Family<prometheus::Counter>& success =
      prometheus::BuildCounter()
          .Name("vllm:request_success_total")
          .Help("Choices that have ended, by reason.")
          .Register(registry);
  prometheus::Counter& unknown_fields = prometheus::BuildCounter()
                                            .Name("quire:request_unknown_fields_total")
                                            .Help("Unknown request fields that were ignored.")
                                            .Register(registry)
                                            .Add({{"model_name", model_name}, {"engine", "0"}});
  prometheus::Family<prometheus::Counter>& http_requests =
      prometheus::BuildCounter()
          .Name("http_requests_total")
          .Help("HTTP requests by handler, method and class of status.")
          .Register(registry);
  prometheus::Family<Histogram>& http_duration = prometheus::BuildHistogram()
                                                     .Name("http_request_duration_seconds")
                                                     .Help("From the request to its answer's end.")
                                                     .Register(registry);

  prometheus::Counter& success_counter(std::string_view reason) {
    return success.Add(
        {{"model_name", model_name}, {"engine", "0"}, {"finished_reason", std::string(reason)}});
  }
};

Metrics::Metrics(const std::string& model_name, std::int64_t context_max)
    : impl_(std::make_unique<Impl>(model_name, context_max)) {
  for (const char* reason : {"stop", "length", "abort", "error"}) impl_->success_counter(reason);
}

Metrics::~Metrics() = default;

void Metrics::observe_http(std::string_view handler, std::string_view method, int status,
                           double seconds) {
  const std::string status_class = fmt::format("{}xx", status / 100);
  impl_->http_requests
      .Add({{"handler", std::string(handler)},
            {"method", std::string(method)},
            {"status", status_class}})
      .Increment();
  impl_->http_duration
      .Add({{"handler", std::string(handler)}, {"method", std::string(method)}}, kHttpBuckets)
      .Observe(seconds);
}

void Metrics::observe_first_token(double seconds) { impl_->first_token.Observe(seconds); }

void Metrics::observe_inter_token(double gap, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    impl_->inter_token.Observe(gap / static_cast<double>(count));
  }
}

void Metrics::observe_choice(const FinishedChoice& choice) {
  const engine::Timings& times = choice.timings;
  const Time finished = times.finished;
  // What a request did not reach has length zero and ends where it ended.
  const Time scheduled = times.first_scheduled > Time::zero() ? times.first_scheduled : finished;
  const Time first = times.first_token > Time::zero() ? times.first_token : finished;
  impl_->e2e.Observe(to_seconds(finished - choice.arrival));
  impl_->queue.Observe(to_seconds(scheduled - times.arrival));
  impl_->prefill.Observe(to_seconds(first - scheduled));
  impl_->decode.Observe(to_seconds(finished - first));
  impl_->inference.Observe(to_seconds(finished - scheduled));
  const std::int64_t tokens = choice.usage.completion_tokens;
  impl_->generation_tokens.Observe(static_cast<double>(tokens));
  if (tokens > 1) {
    impl_->per_output_token.Observe(to_seconds(finished - first) / static_cast<double>(tokens - 1));
  }
  std::string_view reason = "error";
  switch (choice.finish) {
    case engine::FinishReason::kStop:
      reason = "stop";
      break;
    case engine::FinishReason::kLength:
      reason = "length";
      break;
    case engine::FinishReason::kAbort:
      reason = "abort";
      break;
    case engine::FinishReason::kTimeout:
      reason = "timeout";
      break;
    case engine::FinishReason::kError:
    case engine::FinishReason::kNone:
      break;
  }
  impl_->success_counter(reason).Increment();
}

void Metrics::observe_prompt(const FinishedPrompt& prompt) {
  impl_->prompt_tokens.Observe(static_cast<double>(prompt.prompt_tokens));
  impl_->computed_tokens.Observe(static_cast<double>(prompt.prompt_tokens - prompt.cached_tokens));
  impl_->generation_max.Observe(static_cast<double>(prompt.generation_tokens_max));
  impl_->params_n.Observe(prompt.n);
  impl_->params_max_tokens.Observe(static_cast<double>(prompt.max_tokens));
}

void Metrics::observe_unknown_fields(std::size_t count) {
  impl_->unknown_fields.Increment(static_cast<double>(count));
}

std::string Metrics::scrape(const engine::Engine* engine) const {
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  const auto append = [&](std::vector<prometheus::MetricFamily> more) {
    families.insert(families.end(), std::make_move_iterator(more.begin()),
                    std::make_move_iterator(more.end()));
  };
  if (engine != nullptr) append(engine_metrics(*engine, impl_->model_name));
  append(process_metrics());
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, families);
  return out.str();
}

}  // namespace quire::server
