"""The Merkle tree of RFC 9162 section 2.1: hashes, roots, inclusion and consistency proofs, and their checks.

Builds nothing in memory: `node(level, number)` is handed in and returns the hash of a complete subtree of 2**level
leaves, so a proof reads about log n of them whatever the size. The checks trust nothing they are given. Imports
nothing of ours.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()
HASH = 32
Node = Callable[[int, int], bytes]


class ProofFails(Exception):
    """A proof does not lead to the root it should; the message says what was wanted and what came out."""


class Frontier:
    """The right edge of a growing tree: enough to know its root at every size, and no more."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Take in the next leaf hash."""
        self.size += 1
        self._peaks.append(leaf)
        full = self.size
        while full & 1 == 0:
            right, left = self._peaks.pop(), self._peaks.pop()
            self._peaks.append(join(left, right))
            full >>= 1

    def root(self) -> bytes:
        """Return the root of all leaves taken in."""
        found = self._peaks[-1] if self._peaks else EMPTY
        for peak in reversed(self._peaks[:-1]):
            found = join(peak, found)
        return found


def leaf_hash(content: bytes) -> bytes:
    """Return SHA-256(0x00 || leaf)."""
    return sha256(b"\x00" + content).digest()


def join(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def root(size: int, node: Node) -> bytes:
    """Return the root of the first `size` leaves."""
    return _subtree(0, size, node) if size else EMPTY


def inclusion(index: int, size: int, node: Node) -> list[bytes]:
    """Return the proof that leaf `index` is in the tree of `size` leaves, its sibling first; raises IndexError."""
    if not 0 <= index < size:
        raise IndexError(f"leaf {index} is not in a tree of {size}")
    return _path(index, 0, size, node)


def consistency(old: int, new: int, node: Node) -> list[bytes]:
    """Return the proof that the tree of `new` leaves begins with the tree of `old` ones; raises IndexError."""
    if not 0 <= old <= new:
        raise IndexError(f"a tree of {new} cannot begin with one of {old}")
    return _subproof(old, 0, new, node, is_whole=True) if 0 < old < new else []


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], wanted: bytes) -> None:
    """Check an inclusion proof against a root (RFC 9162 section 2.1.3.2); raises ProofFails."""
    if not 0 <= index < size:
        raise ProofFails(f"leaf {index} is not in a tree of {size}")
    place, last, found = index, size - 1, leaf
    for sibling in _hashes(proof):
        if last == 0:
            raise ProofFails("the proof is too long")
        if place & 1 or place == last:
            found = join(sibling, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = join(found, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise ProofFails("the proof is too short")
    _compare(found, wanted)


def check_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check a consistency proof between two roots (RFC 9162 section 2.1.4.2); raises ProofFails."""
    if not 0 <= old <= new:
        raise ProofFails(f"a tree of {new} cannot begin with one of {old}")
    if old in (0, new):
        if proof:
            raise ProofFails("the proof is too long")
        _compare(old_root, new_root if old else EMPTY)
        return
    path = _hashes(proof)
    if old & (old - 1) == 0:
        path = [old_root, *path]
    if not path:
        raise ProofFails("the proof is too short")
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first, second = _climb(path, place, last)
    _compare(first, old_root)
    _compare(second, new_root)


def _climb(path: Sequence[bytes], place: int, last: int) -> tuple[bytes, bytes]:
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofFails("the proof is too long")
        if place & 1 or place == last:
            first, second = join(sibling, first), join(sibling, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = join(second, sibling)
        place, last = place >> 1, last >> 1
    if last != 0:
        raise ProofFails("the proof is too short")
    return first, second


def _subtree(start: int, count: int, node: Node) -> bytes:
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node(level, start >> level)
    left = _split(count)
    return join(_subtree(start, left, node), _subtree(start + left, count - left, node))


def _path(index: int, start: int, count: int, node: Node) -> list[bytes]:
    if count == 1:
        return []
    left = _split(count)
    if index < left:
        return [*_path(index, start, left, node), _subtree(start + left, count - left, node)]
    return [*_path(index - left, start + left, count - left, node), _subtree(start, left, node)]


def _subproof(old: int, start: int, count: int, node: Node, *, is_whole: bool) -> list[bytes]:
    if old == count:
        return [] if is_whole else [_subtree(start, count, node)]
    left = _split(count)
    if old <= left:
        return [*_subproof(old, start, left, node, is_whole=is_whole), _subtree(start + left, count - left, node)]
    return [*_subproof(old - left, start + left, count - left, node, is_whole=False), _subtree(start, left, node)]


def _split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def _hashes(proof: Sequence[bytes]) -> Sequence[bytes]:
    if any(len(part) != HASH for part in proof):
        raise ProofFails(f"every part of a proof has {HASH} bytes")
    return proof


def _compare(found: bytes, wanted: bytes) -> None:
    if found != wanted:
        raise ProofFails(f"the proof leads to {found.hex()} and not to {wanted.hex()}")
