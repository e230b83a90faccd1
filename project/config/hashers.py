"""The password hasher, with a bound on the memory that it uses."""

from threading import BoundedSemaphore

from django.contrib.auth import hashers

MOST_AT_ONCE = 2
"""The maximum number of hashes that a process computes at once.

Each hash uses 100 MB, and up to eight threads of its own.
"""
_places = BoundedSemaphore(MOST_AT_ONCE)


class Argon2PasswordHasher(hashers.Argon2PasswordHasher):
    """Django's hasher, which computes at most `MOST_AT_ONCE` hashes at once; further ones wait."""

    def encode(self, password: str, salt: str) -> str:
        with _places:
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with _places:
            return super().verify(password, encoded)
