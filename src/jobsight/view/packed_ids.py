"""Ids of jobs as rows hold them: the UUID at the end of one takes 16 bytes instead of 36."""

from __future__ import annotations

from typing import Final

_UUID_LENGTH: Final = 36


def packed_id(job_id: str) -> tuple[str, bytes | None]:
    """
    The values of `id_start` and `id_uuid`; the column `job_id` puts them together again, letter by letter.

    Args:
        job_id: Any; only a UUID in lower case, with its hyphens in their places, is packed.
    """
    if job_id[-13:-12] != "-" or job_id[-18:-17] != "-" or job_id[-23:-22] != "-" or job_id[-28:-27] != "-":
        return job_id, None
    digits = job_id[-_UUID_LENGTH:].replace("-", "")
    try:
        packed = bytes.fromhex(digits)
    except ValueError:
        return job_id, None
    if len(packed) != 16 or packed.hex() != digits:  # white space, capitals, a hyphen too many
        return job_id, None
    return job_id[:-_UUID_LENGTH], packed
