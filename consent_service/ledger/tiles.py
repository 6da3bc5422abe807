"""The log's hashes in tiles of 256, as C2SP tlog-tiles lays them out: enough of them for any root or proof.

Tile `number` of level L holds the hashes of complete subtrees of 256**L leaves; level 0 the leaf hashes. Sealing
rewrites the last tile of each level only, and a proof reads about one tile a level. Must not know what a leaf says.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from consent_service.database import insert_or_replace
from consent_service.ledger import merkle
from consent_service.ledger.merkle import HASH, Node
from consent_service.models.ledger import log_tile

WIDTH = 256
HEIGHT = 8


class TilesMissing(Exception):
    """A tile that the log's size says is there is not; it can be built again from the leaves."""


def grow(connection: Connection, size: int, hashes: Sequence[bytes]) -> None:
    """Append leaf hashes to a log that has `size` of them."""
    _grow(connection, 0, size, hashes)


def reader(connection: Connection) -> Node:
    """Return a reader of complete subtrees that fetches each tile once."""
    known: dict[tuple[int, int], bytes] = {}

    def node(level: int, number: int) -> bytes:
        tile_level, height = divmod(level, HEIGHT)
        tile, place = divmod(number << height, WIDTH)
        if (tile_level, tile) not in known:
            known[tile_level, tile] = read(connection, tile_level, tile)
        hashes = known[tile_level, tile][place * HASH : (place + (1 << height)) * HASH]
        if len(hashes) != HASH << height:
            raise TilesMissing(f"tile {tile} of level {tile_level} is missing or too short")
        return fold(hashes)

    return node


def read(connection: Connection, level: int, number: int) -> bytes:
    """Return the hashes of a tile, one after another; empty when it is not there."""
    place = (log_tile.c.level == level, log_tile.c.number == number)
    return connection.execute(select(log_tile.c.hashes).where(*place)).scalar_one_or_none() or b""


def fold(hashes: bytes) -> bytes:
    """Return the root over a power of two of hashes that stand one after another."""
    while len(hashes) > HASH:
        pairs = range(0, len(hashes), 2 * HASH)
        hashes = b"".join(merkle.join(hashes[at : at + HASH], hashes[at + HASH : at + 2 * HASH]) for at in pairs)
    return hashes


def _grow(connection: Connection, level: int, size: int, hashes: Sequence[bytes]) -> None:
    while hashes:
        number, filled = divmod(size, WIDTH)
        taken = hashes[: WIDTH - filled]
        before = read(connection, level, number)[: filled * HASH] if filled else b""
        tile = before + b"".join(taken)
        insert_or_replace(connection, log_tile, ["level", "number"], {"level": level, "number": number, "hashes": tile})
        size, hashes = size + len(taken), hashes[len(taken) :]
        if len(tile) == WIDTH * HASH:
            _grow(connection, level + 1, number, [fold(tile)])
