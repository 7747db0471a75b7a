"""lm-eval's local-completions and local-chat-completions: log-likelihoods by echo with logprobs, rolling ones, greedy
generation until a stop string, several requests at once."""
import sys

from lm_eval.api.instance import Instance
from lm_eval.models.openai_completions import LocalChatCompletion, LocalCompletionsAPI

PAIRS = [("Once upon a time, there was a little", " girl"), ("Once upon a time, there was a little", " xylophone"),
         ("The cat sat on the", " mat")]


def completions(**options):
    return LocalCompletionsAPI(**{"model": "demo", "base_url": sys.argv[1] + "/v1/completions", "max_retries": 1,
                                  "tokenizer_backend": "remote", "tokenized_requests": False, **options})


def instances(kind, arguments):
    return [Instance(kind, {}, argument, index) for index, argument in enumerate(arguments)]


one = completions(num_concurrent=1, batch_size=1).loglikelihood(instances("loglikelihood", PAIRS))
assert len(one) == 3 and all(score < 0 for score, _ in one)
assert one[0][0] > one[1][0], "a girl is likelier than a xylophone"
many = completions(num_concurrent=4, batch_size=2).loglikelihood(instances("loglikelihood", PAIRS))
assert many == one, "batches change nothing"
print(f"  lm-eval loglikelihood: ok {[round(score, 3) for score, _ in one]}")
rolling = completions(num_concurrent=1, batch_size=1).loglikelihood_rolling(
    instances("loglikelihood_rolling", [("Once upon a time, there was a little girl.",)]))
assert len(rolling) == 1 and rolling[0] < one[0][0]
ASK = [("Once upon a time", {"until": ["."], "max_gen_toks": 40, "do_sample": False, "temperature": 0})]
text = completions(num_concurrent=1, batch_size=1).generate_until(instances("generate_until", ASK))
assert len(text) == 1 and text[0] and "." not in text[0]
print("  lm-eval loglikelihood_rolling, generate_until: ok")
chat = LocalChatCompletion(model="demo", base_url=sys.argv[1] + "/v1/chat/completions", num_concurrent=2, max_retries=1,
                           tokenizer_backend=None, tokenized_requests=False)
asks = [(chat.apply_chat_template([{"role": "user", "content": question}]), ASK[0][1])
        for question in ("Tell me a story.", "What is the moon?")]
answers = chat.generate_until(instances("generate_until", asks))
assert len(answers) == 2 and all(answers)
print("  lm-eval local-chat-completions: ok")
