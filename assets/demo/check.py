"""Checks the demo project's data. Needs nothing but Python 3.

    python3 check.py             # the three files beside this script; exit code 1 when something is wrong
    python3 check.py ANSWERS     # or: the share of plain answers in a file with one JSON string per line

The rule `plain` is defined in README.md; this is the same rule, written so that it can be read beside it.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent

MIN_WORDS, MAX_WORDS, MAX_SENTENCES, MIN_DISTINCT = 3, 45, 2, 0.8
OPENINGS = [
    "great question", "good question", "excellent question", "interesting question", "wonderful question",
    "fantastic question", "that's a great", "that's an excellent", "that is a great", "that is an excellent",
    "what a ", "what an ", "sure,", "sure!", "sure thing", "certainly", "absolutely", "definitely", "of course",
    "i'd be happy", "i would be happy", "i'm glad", "i am glad", "i'm happy", "i am happy", "thank you", "thanks for",
    "let's", "let me", "well,", "ah,", "oh,", "hello", "hi ", "hi,", "hi!", "as an ai", "when it comes to",
    "in today's", "there are many", "there are several", "there are a number", "there are various", "here are",
    "here is a", "here's", "to answer your question", "to understand",
]
OFFERS = [
    "let me know", "feel free", "i hope this", "i hope that", "would you like", "happy to help", "happy to share",
    "happy to explain", "if you have any", "if you need any", "good luck",
]
SENTENCE_END = re.compile(r"[.!?]+[\"'”’)]*(?=\s|$)")
LIST_MARK = re.compile(r"([-*•#]|\d+[.)])\s")


def plain(answer):
    """The reasons why an answer is not plain; an empty list when it is."""
    answer = answer.strip()
    lower = answer.lower().replace("’", "'")
    reasons = []
    count = len(answer.split())
    if not MIN_WORDS <= count <= MAX_WORDS:
        reasons.append(f"{count} words")
    ends = list(SENTENCE_END.finditer(answer))
    if not ends or ends[-1].end() != len(answer):
        reasons.append("does not end with a sentence")
    if len(ends) > MAX_SENTENCES:
        reasons.append(f"{len(ends)} sentences")
    if "\n" in answer or "**" in answer or LIST_MARK.match(answer):
        reasons.append("list or layout")
    if any(lower.startswith(o) for o in OPENINGS):
        reasons.append("filler opening")
    if any(o in lower for o in OFFERS):
        reasons.append("closing offer")
    words = re.findall(r"\w+", lower)
    triples = list(zip(words, words[1:], words[2:]))
    if len(set(triples)) < MIN_DISTINCT * len(triples):
        reasons.append("repeats itself")
    return reasons


def read(name):
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def content_words(text):
    common = """what is a an the of to in do does i how can my why and on for it that are be mean word when from with
    you should between difference use make keep which or me at so get there not one""".split()
    return {w.rstrip("s") for w in re.findall(r"\w+", text.lower()) if w not in common}


def check():
    train, held_out, prompts = read("pairs.jsonl"), read("held_out_pairs.jsonl"), read("prompts.jsonl")
    problems = []
    for name, rows in (("pairs", train), ("held_out_pairs", held_out)):
        for number, row in enumerate(rows, 1):
            chosen, rejected = row["chosen"][0]["content"], row["rejected"][0]["content"]
            if plain(chosen):
                problems.append(f"{name} line {number}: chosen is not plain ({', '.join(plain(chosen))})")
            if not plain(rejected):
                problems.append(f"{name} line {number}: rejected is plain")
    asked = [r["prompt"][-1]["content"] for r in train]
    new = [r["prompt"][-1]["content"] for r in held_out]
    if [r["prompt"] for r in prompts] != [r["prompt"] for r in held_out]:
        problems.append("prompts.jsonl and held_out_pairs.jsonl ask different things")
    texts = asked + new + [r[k][-1]["content"] for r in train + held_out for k in ("chosen", "rejected")]
    problems += [f"twice: {t}" for t, n in Counter(texts).items() if n > 1]
    for a in new:
        for b in asked:
            one, two = content_words(a), content_words(b)
            if len(one & two) >= 0.5 * len(one | two):
                problems.append(f"nearly the same in both sets: {a} | {b}")
    print(f"{len(train)} pairs, {len(held_out)} held out, {len(prompts)} prompts, {len(problems)} problems")
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        answers = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
        print(f"{sum(not plain(a) for a in answers)} of {len(answers)} answers are plain")
    else:
        sys.exit(check())
