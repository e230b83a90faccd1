#!/bin/bash
# Like the real image: options alone are options of mongod, which does not run as root.
set -eu
case ${1:-} in -*) set -- mongod "$@" ;; esac
if [ "$1" = mongod ] && [ "$(id -u)" = 0 ]; then
    chown mongodb: /data/db
    exec setpriv --reuid mongodb --regid mongodb --clear-groups -- "$@"
fi
exec "$@"
