# apt on this machine, for another suite. Sourced by machine/with-*.sh, after lists.sh.

# apt_of SUITE DIR: sets apt to the words that make apt-get work on that suite of the mirror, with its state in DIR
apt_of() {
    mkdir -p "$2/lists/partial" "$2/cache"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $1 main" >"$2/list"
    apt=(-o "Dir::Etc::SourceList=$2/list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$2/lists"
        -o "Dir::Cache=$2/cache" -o APT::Sandbox::User=root)
    apt-get -qq "${apt[@]}" update
}

# lacking ROOT OUT PACKAGE…: in OUT those packages, and all that ROOT lacks for them
lacking() {
    local root=$1 out=$2 work
    shift 2
    work=$(mktemp -d "$out.work.XXXXXX")
    apt_of "$SUITE" "$work"
    apt-get -qq -y "${apt[@]}" -o "Dir::State::status=$root/var/lib/dpkg/status" --no-install-recommends --download-only \
        install "$@" >"$work/said" || { cat "$work/said" >&2; rm -rf "$work"; return 1; }
    mkdir "$out.new"
    mv "$work"/cache/archives/*.deb "$out.new"
    mv "$out.new" "$out"
    rm -rf "$work"
}
