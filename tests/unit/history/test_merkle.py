"""The tree over a batch, by the vectors of the reference implementation of Certificate Transparency (RFC 6962)."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from history.merkle import compute_path, compute_root, fold_path

INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
LEAVES = [sha256(b"\x00" + bytes.fromhex(text)).digest() for text in INPUTS]
# Of the first leaf, the first two …
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# By index and size.
PATHS = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def test_roots_are_those_of_the_reference() -> None:
    assert [compute_root(LEAVES[:size]).hex() for size in range(1, 9)] == ROOTS


@pytest.mark.parametrize(("index", "size"), PATHS)
def test_paths_are_those_of_the_reference(index: int, size: int) -> None:
    assert [sibling.hex() for sibling in compute_path(LEAVES[:size], index)] == PATHS[index, size]


def test_every_path_leads_to_the_root_and_no_other_does() -> None:
    leaves = [sha256(bytes([number])).digest() for number in range(33)]
    for size in range(1, 34):
        root = compute_root(leaves[:size])
        for index in range(size):
            path = compute_path(leaves[:size], index)
            assert fold_path(leaves[index], index, size, path) == root
            assert fold_path(leaves[index], index, size, [*path, leaves[0]]) is None
            if path:
                assert fold_path(leaves[index], index, size, path[:-1]) is None
                assert fold_path(leaves[index], index ^ 1, size, path) != root
                assert fold_path(leaves[index], index, size, [*path[:-1], bytes(32)]) != root


@pytest.mark.parametrize("index", [-1, 3, 4])
def test_index_outside_of_the_tree_has_no_path(index: int) -> None:
    assert fold_path(LEAVES[0], index, 3, compute_path(LEAVES[:3], 0)) is None


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40))
def test_root_is_the_one_of_the_definition(leaves: list[bytes]) -> None:
    def define(part: list[bytes]) -> bytes:
        if len(part) == 1:
            return part[0]
        half = 1 << (len(part) - 1).bit_length() - 1
        return sha256(b"\x01" + define(part[:half]) + define(part[half:])).digest()

    assert compute_root(leaves) == define(leaves)
