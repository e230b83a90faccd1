"""Images under the names that compose/ uses, for machines that reach no image registry.

They are made of Debian's packages and of the servers of the project's own packages. They do not
replace the real images: the versions of MySQL and MongoDB differ.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from project.stack.cache import build_once, cache_folder
from project.stack.kafka.jars import SUMS_FILE, Jars, read_sums
from project.stack.kafka.java import java
from project.stack.mongod import binary
from project.stack.sql.debian import MYSQL
from tests.production.engine import DOCKER
from tests.production.shell import attempt, run, step
from tests.support.paths import ROOT

RELEASE = "bookworm"
_RECIPES = Path(__file__).with_name("images")
_BASE = "storyfeed-test/python"
_PACKAGES = "python3,python3-venv,python3-distutils,python-is-python3,python3-dev,ca-certificates"
_APT = Path("/etc/apt/apt.conf.d")


def build_missing() -> None:
    """Build each image that compose/ names, and that the engine does not have."""
    with step("stand-in images") as result:
        if not _exists(_BASE):
            _import(_debian(), _BASE)
        for name in sorted(_names()):
            if not _exists(name):
                _BUILDERS[re.split(r"[:/]", name.removeprefix("apache/"))[0]](name)
                result(name)


def _names() -> set[str]:
    """Return the images in the compose files and in the Dockerfile."""
    texts = [path.read_text() for path in (ROOT / "compose").glob("*.yaml")]
    found = {name for text in texts for name in re.findall(r"image: (\S+:\S+)", text)}
    return found | set(
        re.findall(r"^FROM (\S+:\S+)", (ROOT / "compose/Dockerfile").read_text(), re.MULTILINE)
    )


def _exists(image: str) -> bool:
    return attempt([DOCKER, "image", "inspect", image]).returncode == 0


def _debian() -> Path:
    """Return a minimal Debian with Python, this machine's certificates and apt's settings."""
    folder = cache_folder() / "production" / RELEASE
    folder.parent.mkdir(exist_ok=True)
    build_once(folder, _debootstrap)
    return folder


def _debootstrap(folder: Path) -> None:
    run(["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", RELEASE, folder])
    settle(folder)


def settle(root: Path) -> None:
    """Let the tree at `root` use the package registries as this machine does."""
    copies = [Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pip.conf"), *_APT.glob("99*")]
    for file in copies:
        if file.exists():
            shutil.copy(file, root / file.relative_to("/"))


def _import(folder: Path, name: str) -> None:
    pack = f"tar -C '{folder}' --one-file-system -c ."
    run(["bash", "-o", "pipefail", "-c", f"{pack} | {DOCKER} import -c 'CMD [\"bash\"]' - {name}"])


def _python(name: str) -> None:
    run([DOCKER, "tag", _BASE, name])


def _mysql(name: str) -> None:
    MYSQL.install()
    _import(MYSQL.folder, "storyfeed-test/mysql-base")
    _build(name, "mysql")


def _kafka(name: str) -> None:
    def fill(folder: Path) -> None:
        jars = Jars()
        jars.install()
        (folder / "libs").mkdir()
        for path in read_sums(SUMS_FILE):
            _link(jars.folder / path, folder / "libs")
        shutil.copytree(java().parents[1], folder / "jre", copy_function=_link)

    _build(name, "kafka", fill)


def _mongo(name: str) -> None:
    def fill(folder: Path) -> None:
        _link(binary(), folder)
        shutil.copy(Path(shutil.which("node") or "node").resolve(), folder / "node")
        shutil.copytree(_mongosh(), folder / "mongosh", symlinks=True)

    _build(name, "mongo", fill)


def _mongosh() -> Path:
    folder = cache_folder() / "production" / "mongosh"
    npm = ["npm", "install", "--silent", "--no-audit", "--no-fund", "mongosh"]
    build_once(folder, lambda unfinished: (run(npm, cwd=unfinished), None)[1])
    return folder


def _nginx(name: str) -> None:
    _build(name, "nginx")


_BUILDERS: dict[str, Callable[[str], None]] = {
    "python": _python,
    "mysql": _mysql,
    "kafka": _kafka,
    "mongo": _mongo,
    "nginx": _nginx,
}


def _build(name: str, recipe: str, fill: Callable[[Path], None] | None = None) -> None:
    """Build the recipe `recipe`. `fill` adds the files that the recipe copies."""
    parent = cache_folder() / "production"
    with tempfile.TemporaryDirectory(prefix="context-", dir=parent) as context:
        folder = Path(context) / recipe
        shutil.copytree(_RECIPES / recipe, folder)
        if fill:
            fill(folder)
        run([DOCKER, "build", "--quiet", "--network", "host", "--tag", name, folder])


def _link(source: str | Path, target: str | Path) -> str:
    """Link a file, or copy it if the folders are on different file systems."""
    target = Path(target)
    target = target / Path(source).name if target.is_dir() else target
    try:
        os.link(Path(source).resolve(), target)
    except OSError:
        shutil.copy2(source, target)
    return str(target)
