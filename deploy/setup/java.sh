#!/usr/bin/env bash
# Prints the home of a full Java 17 or 21, getting one where there is none. $1: a Python with pip, for the last resort.
#
# "Full" because Spark starts Java with a module that trimmed runtimes lack.
set -euo pipefail

readonly LOCAL=.java
say() { echo "setup: $*" >&2; }

home_of() { # prints the home of the Java at $1, if Spark can run on it
    local settings version
    settings=$("$1" -XshowSettings:properties -version 2>&1) || return 1
    version=$(sed -n 's/^ *java\.specification\.version = //p' <<<"$settings")
    [ "$version" = 17 ] || [ "$version" = 21 ] || return 1
    "$1" --list-modules 2>/dev/null | grep '^jdk\.incubator\.vector' >/dev/null || return 1
    sed -n 's/^ *java\.home = //p' <<<"$settings"
}

find_java() {
    local java
    for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java || true)" \
        "$LOCAL"/*/bin/java "$LOCAL"/*/Contents/Home/bin/java \
        /usr/lib/jvm/*/bin/java /Library/Java/JavaVirtualMachines/*/Contents/Home/bin/java \
        /opt/homebrew/opt/openjdk@{17,21}/bin/java /usr/local/opt/openjdk@{17,21}/bin/java; do
        [ -n "$java" ] && [ -x "$java" ] && home_of "$java" && return 0
    done
    return 1
}

install_from_debian() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    say "installing Debian's Java"
    apt-get update >/dev/null 2>&1 || return 1
    for version in 17 21; do
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
            "openjdk-$version-jre-headless" >/dev/null 2>&1 && return 0
    done
    return 1
}

install_from_pypi() {
    [ -n "${1:-}" ] || return 1
    say "fetching Java 17 into $LOCAL"
    "$1" -m pip install --quiet install-jdk==1.1.0 >&2 || return 1
    "$1" -c "import jdk; jdk.install('17', path='$LOCAL')" >/dev/null 2>&1
}

find_java && exit 0
install_from_debian && find_java && exit 0
install_from_pypi "${1:-}" && find_java && exit 0
say "a full Java 17 or 21 is needed and could not be fetched. Type 'sudo apt-get install openjdk-17-jre-headless' (Linux)" \
    "or 'brew install openjdk@17' (Mac), or set JAVA_HOME, then the same make again."
exit 1
