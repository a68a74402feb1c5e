"""Labels some pairs the wrong way round, and says how many of them a queue of suspects begins with.

mislabels.py flip PAIRS OUTPUT SHARE SEED      PAIRS with a share of its labels swapped
mislabels.py count QUEUE CLEAN                 of the first fifth of QUEUE (`tiebreak suspects --output`), the share that is not
                                               in CLEAN, in each order, with Wilson's 95 % interval
"""

import json
import math
import random
import sys


def rows(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def key(row):
    return json.dumps([row["prompt"], row["chosen"], row["rejected"]], sort_keys=True)


def flip(pairs, output, share, seed):
    pairs = rows(pairs)
    swapped = set(random.Random(int(seed)).sample(range(len(pairs)), round(len(pairs) * float(share))))
    with open(output, "w", encoding="utf-8") as file:
        for place, row in enumerate(pairs):
            if place in swapped:
                row["chosen"], row["rejected"] = row["rejected"], row["chosen"]
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def wilson(count, of):
    z = 1.959963984540054
    share, scale = count / of, 1 + z * z / of
    middle = (share + z * z / (2 * of)) / scale
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / scale
    return f"{count} of {of}: {share:.1%} ({middle - half:.1%} to {middle + half:.1%})"


def area_under_curve(is_flipped):
    """The probability that a flipped pair stands before one that is not."""
    flipped = sum(is_flipped)
    behind = sum(sum(not is_f for is_f in is_flipped[place:]) for place, is_it in enumerate(is_flipped) if is_it)
    return behind / (flipped * (len(is_flipped) - flipped))


def count(queue, clean):
    queue, clean = rows(queue), {key(row) for row in rows(clean)}
    orders = {"margin": lambda row: row["margin"], "loss": lambda row: -row["loss"], "uncertainty": lambda row: abs(row["margin"])}
    fifth = round(len(queue) / 5)
    print(f"all: {wilson(sum(key(row) not in clean for row in queue), len(queue))}")
    for name, order in orders.items():
        is_flipped = [key(row) not in clean for row in sorted(queue, key=order)]
        print(f"{name}: first fifth {wilson(sum(is_flipped[:fifth]), fifth)}; area under the curve {area_under_curve(is_flipped):.3f}")
    against = [key(row) not in clean for row in queue if row["margin"] < 0]
    if against:
        print(f"margin below 0: {wilson(sum(against), len(against))}")


if __name__ == "__main__":
    {"flip": flip, "count": count}[sys.argv[1]](*sys.argv[2:])
