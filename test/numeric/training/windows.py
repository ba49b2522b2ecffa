"""The windows of tokens that a run sees, in its order: shards in llm.c's format, and the permutation of each epoch, which is a
Feistel network keyed by Philox4x32-10 (Salmon et al., SC 2011) with the seed."""
import numpy

MASK = 0xFFFFFFFF
STREAM = int.from_bytes(b"data", "big") << 32


def philox(counter, key):
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = (second >> 32 ^ counter[1] ^ key[0], second & MASK, first >> 32 ^ counter[3] ^ key[1], first & MASK)
        key = (key[0] + 0x9E3779B9 & MASK, key[1] + 0xBB67AE85 & MASK)
    return counter


def permuted(index, count, seed, epoch):
    """Where `index` goes in [0, count): six rounds over the next even number of bits, again until it lands inside."""
    half = (count.bit_length() + 1) // 2
    stream = STREAM + epoch
    while True:
        left, right = index >> half, index & (1 << half) - 1
        for number in range(6):
            word = number << 56 | right
            drawn = philox((word & MASK, word >> 32, stream & MASK, stream >> 32), (seed & MASK, seed >> 32))[0]
            left, right = right, left ^ drawn & (1 << half) - 1
        index = left << half | right
        if index < count:
            return index


class Windows:
    """Batches [B, T] of tokens and of the tokens that follow them."""

    def __init__(self, folder, batch, length, seed):
        parts = [numpy.fromfile(path, dtype="<u2", offset=1024) for path in sorted(folder.glob("train-*.bin"))]
        self.tokens = numpy.concatenate(parts).astype(numpy.int64)
        self.batch, self.length, self.seed = batch, length, seed
        self.count = (len(self.tokens) - 1) // length

    def at(self, step):
        rows = []
        for position in range(step * self.batch, (step + 1) * self.batch):
            epoch, index = divmod(position, self.count)
            first = permuted(index, self.count, self.seed, epoch) * self.length
            rows.append(self.tokens[first:first + self.length + 1])
        rows = numpy.stack(rows)
        return rows[:, :-1], rows[:, 1:]
