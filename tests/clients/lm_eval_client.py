"""lm-eval's local-completions: log-likelihoods of token-id prompts, which need echo with logprobs."""
import sys

from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalCompletionsAPI

model = LocalCompletionsAPI(model="demo", base_url=sys.argv[1] + "/v1/completions", tokenizer_backend="remote",
                            tokenized_requests=False, num_concurrent=1, max_retries=1, batch_size=1)
PAIRS = [("Once upon a time, there was a little", " girl"), ("Once upon a time, there was a little", " xylophone"),
         ("The cat sat on the", " mat")]
requests = [Instance("loglikelihood", {}, pair, i) for i, pair in enumerate(PAIRS)]
answers = model.loglikelihood(requests)
assert len(answers) == 3 and all(score < 0 for score, _ in answers)
assert answers[0][0] > answers[1][0], "a girl is likelier than a xylophone"
print(f"  lm-eval loglikelihood: ok {[round(score, 3) for score, _ in answers]}")
