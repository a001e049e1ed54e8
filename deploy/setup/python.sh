#!/usr/bin/env bash
# Prints a Python 3.11 or 3.12 that can make virtual environments; on Debian, as root, installs what it lacks.
set -euo pipefail

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; }
makes_venvs() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }
say() { echo "setup: $*" >&2; }

found=""
for name in ${PYTHON:-} python3.12 python3.11 python3 python; do
    if command -v "$name" >/dev/null && fits "$name"; then
        found=${found:-$name}
        if makes_venvs "$name"; then
            command -v "$name"
            exit 0
        fi
    fi
done

if [ -z "$found" ]; then
    say "Python 3.11 or 3.12 is needed and was not found. Type 'sudo apt-get install python3.11 python3.11-venv' (Debian 12)," \
        "'sudo apt-get install python3.12 python3.12-venv' (Ubuntu 24.04) or 'brew install python@3.12' (Mac), then the same make again."
    exit 1
fi
package=$("$found" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing Debian's $package"
    (apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$package") >/dev/null
    makes_venvs "$found" && command -v "$found" && exit 0
fi
say "$found cannot make virtual environments. Type 'sudo apt-get install $package', then the same make again."
exit 1
