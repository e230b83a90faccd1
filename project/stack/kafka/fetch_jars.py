"""Downloads Kafka's jars with jgo. This is a separate program, because jgo is slow to import.

`python -m project.stack.kafka.fetch_jars FOLDER SUMS` downloads the files listed in SUMS.
`python -m project.stack.kafka.fetch_jars --lock FOLDER COORDINATE...` resolves the coordinates and
prints a sums file, for example for another version of Kafka. If a coordinate ends in `!`, its
dependencies are ignored: jgo cannot resolve dependencies with version ranges.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jgo.maven import Artifact, MavenContext
from jgo.parse import Coordinate

from project.stack.kafka.jars import read_sums, sha512

THREADS = 8


def fetch(folder: Path, sums: dict[str, str]) -> None:
    """Download each file of `sums` to its path under `folder`."""
    maven = MavenContext(repo_cache=folder)

    def one(path: str) -> None:
        *group, artifact, version, _ = path.split("/")
        maven.project(".".join(group), artifact).at_version(version).artifact().resolve()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(one, sums))


def lock(folder: Path, coordinates: list[str]) -> str:
    """Return the text of a sums file for the coordinates and their dependencies.

    Each coordinate is resolved separately; otherwise, log4j's dependency management would select an
    older kafka-clients. If two coordinates need the same artifact, the version of the first is
    used.
    """
    chosen: dict[tuple[str, str], Artifact] = {}
    for coordinate in coordinates:
        for artifact in _closure(folder, coordinate):
            chosen.setdefault((artifact.groupId, artifact.artifactId), artifact)
    files = sorted(artifact.resolve() for artifact in chosen.values())
    return "".join(f"{sha512(file)}  {file.relative_to(folder)}\n" for file in files)


def _closure(folder: Path, coordinate: str) -> list[Artifact]:
    maven = MavenContext(repo_cache=folder)
    wanted = maven.create_dependency(Coordinate.parse(coordinate.removesuffix("!")))
    if coordinate.endswith("!"):
        return [wanted.artifact]
    inputs, others = maven.resolver.resolve([wanted])
    needed = [other for other in others if other.scope in ("compile", "runtime")]
    return [dependency.artifact for dependency in [*inputs, *needed]]


def main(arguments: list[str]) -> None:
    if arguments[0] == "--lock":
        sys.stdout.write(lock(Path(arguments[1]).absolute(), arguments[2:]))
    else:
        fetch(Path(arguments[0]), read_sums(Path(arguments[1])))


if __name__ == "__main__":
    main(sys.argv[1:])
