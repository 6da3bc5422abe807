"""The Merkle tree against fixed vectors, against a naive reading of RFC 9162, and against broken proofs."""

from hashlib import sha256

import pytest

from consent_service.ledger import merkle
from consent_service.ledger.merkle import ProofFails

# The leaves and roots that Certificate Transparency's own implementations are tested with.
LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
MOST = 300
HASHES = [merkle.leaf_hash(number.to_bytes(2, "big")) for number in range(MOST)]


def naive_root(hashes):
    """MTH of RFC 9162 section 2.1.1, word for word."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return sha256(b"\x01" + naive_root(hashes[:k]) + naive_root(hashes[k:])).digest()


def reader(hashes):
    """Complete subtrees, each computed once, naively."""
    known = {}

    def node(level, number):
        if (level, number) not in known:
            known[level, number] = naive_root(hashes[number << level : (number + 1) << level])
        return known[level, number]

    return node


NODE = reader(HASHES)
NAIVE = [naive_root(HASHES[:size]) for size in range(MOST + 1)]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_published_vectors(size):
    hashes = [merkle.leaf_hash(leaf) for leaf in LEAVES]
    assert merkle.root(size, reader(hashes)).hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing():
    assert merkle.root(0, NODE).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_every_root_is_the_naive_one():
    assert [merkle.root(size, NODE) for size in range(MOST + 1)] == NAIVE


def test_a_growing_tree_has_the_naive_root_at_every_size():
    tree, roots = merkle.Frontier(), [merkle.EMPTY]
    for leaf in HASHES:
        tree.add(leaf)
        roots.append(tree.root())
    assert roots == NAIVE
    assert merkle.Frontier().root() == merkle.EMPTY


def test_every_inclusion_proof_up_to_300_leaves_holds():
    for size in range(1, MOST + 1):
        for index in range(size):
            proof = merkle.inclusion(index, size, NODE)
            merkle.check_inclusion(HASHES[index], index, size, proof, NAIVE[size])
            assert len(proof) <= (size - 1).bit_length()


def test_every_consistency_proof_up_to_300_leaves_holds():
    for new in range(MOST + 1):
        for old in range(new + 1):
            proof = merkle.consistency(old, new, NODE)
            merkle.check_consistency(old, new, proof, NAIVE[old], NAIVE[new])


def test_a_known_inclusion_proof():
    node = reader([merkle.leaf_hash(leaf) for leaf in LEAVES])
    assert [part.hex() for part in merkle.inclusion(5, 8, node)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def fails(check, *given):
    with pytest.raises(ProofFails):
        check(*given)


def flipped(content, bit=0):
    return bytes([content[0] ^ (1 << bit)]) + content[1:]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 64, 65, 255, 256, 257, 300])
def test_a_broken_inclusion_proof_fails(size):
    for index in {0, size // 3, size // 2, size - 1}:
        proof, good = merkle.inclusion(index, size, NODE), NAIVE[size]
        fails(merkle.check_inclusion, flipped(HASHES[index]), index, size, proof, good)
        fails(merkle.check_inclusion, HASHES[index], index, size, proof, flipped(good))
        for place, part in enumerate(proof):
            fails(merkle.check_inclusion, HASHES[index], index, size, [*proof[:place], *proof[place + 1 :]], good)
            wrong = [*proof[:place], flipped(part, place % 8), *proof[place + 1 :]]
            fails(merkle.check_inclusion, HASHES[index], index, size, wrong, good)
            fails(merkle.check_inclusion, HASHES[index], index, size, [*proof[:place], part[:-1]], good)
        fails(merkle.check_inclusion, HASHES[index], index, size, [*proof, good], good)
        for other in {(index + 1) % size, size - 1 - index} - {index}:
            fails(merkle.check_inclusion, HASHES[index], other, size, proof, good)
        for beyond in (-1, size, size + 1, 2**70):
            fails(merkle.check_inclusion, HASHES[index], beyond, size, proof, good)
        fails(merkle.check_inclusion, HASHES[index], index, size * 4, proof, good)


@pytest.mark.parametrize("new", [2, 3, 7, 8, 9, 100, 256, 257, 300])
def test_a_broken_consistency_proof_fails(new):
    for old in {1, new // 2, new - 1}:
        proof, first, second = merkle.consistency(old, new, NODE), NAIVE[old], NAIVE[new]
        fails(merkle.check_consistency, old, new, proof, flipped(first), second)
        fails(merkle.check_consistency, old, new, proof, first, flipped(second))
        fails(merkle.check_consistency, old, new, [*proof, second], first, second)
        for place, part in enumerate(proof):
            fails(merkle.check_consistency, old, new, [*proof[:place], *proof[place + 1 :]], first, second)
            wrong = [*proof[:place], flipped(part), *proof[place + 1 :]]
            fails(merkle.check_consistency, old, new, wrong, first, second)
        fails(merkle.check_consistency, new, old, proof, first, second)
        fails(merkle.check_consistency, -1, new, proof, first, second)
    fails(merkle.check_consistency, new, new, [], NAIVE[new], flipped(NAIVE[new]))
    fails(merkle.check_consistency, new, new, [NAIVE[new]], NAIVE[new], NAIVE[new])
    fails(merkle.check_consistency, 0, new, [], NAIVE[1], NAIVE[new])


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0), (7, 3)])
def test_no_proof_is_made_for_what_is_not_there(index, size):
    with pytest.raises(IndexError):
        merkle.inclusion(index, size, NODE)


@pytest.mark.parametrize(("old", "new"), [(-1, 5), (6, 5)])
def test_no_proof_is_made_between_what_cannot_be(old, new):
    with pytest.raises(IndexError):
        merkle.consistency(old, new, NODE)
