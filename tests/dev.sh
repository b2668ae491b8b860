# Functions of ./dev: set-up, build, lint and the whole test run. Sourced, from the top folder.

step() { printf '\n== %s (%d s so far)\n' "$*" $SECONDS; }

packages() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' tests/packages.txt tests/lab/packages.txt | sort -u; }

missing_packages() {
    local p
    for p in $(packages) $(sanitizer_package); do
        dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || echo "$p"
    done
}

# clang's sanitizer and fuzzer run-time; its name carries clang's version.
sanitizer_package() {
    local version
    version=$(clang -dumpversion 2>/dev/null | cut -d. -f1) || return 0
    [ -z "$version" ] || echo "libclang-rt-$version-dev"
}

setup() {
    local missing
    missing=$(missing_packages)
    if [ -n "$missing" ]; then
        [ "$(id -u)" = 0 ] || { echo "./dev setup: must be root to install: $missing" >&2; return 1; }
        step "setup: apt-get install of $(wc -w <<<"$missing") packages (1 to 3 minutes)"
        apt-get update -qq
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    fi
    # clang may have come only now, and with it the name of its run-time
    missing=$(missing_packages)
    # shellcheck disable=SC2086
    [ -z "$missing" ] || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# build DIR [meson options…]
build() {
    local dir=$1
    shift
    [ -e "$dir/build.ninja" ] || meson setup "$dir" "$@" >/dev/null || { meson setup "$dir" "$@"; return 1; }
    ninja -C "$dir" --quiet
}

build_sanitized() {
    [ -e build-sanitized/build.ninja ] || CC=clang meson setup build-sanitized -Db_sanitize=address,undefined \
        -Db_lundef=false -Doptimization=1 >/dev/null
    ninja -C build-sanitized --quiet
}

format_files() { git ls-files '*.c' '*.h'; }

# Each check of lint prints what is wrong and returns non-zero. LINT_NODES: how deep clang's analyzer goes into a function;
# 225000 is its own default, and takes eight minutes of a processor.
lint_format() { format_files | xargs clang-format --dry-run -Werror; }

lint_tidy() {
    local sources
    sources=$(git ls-files 'src/*.c' 'lib/*.c')
    # one file a run: clang-tidy 14 finds a va_list "uninitialized" in the second of two files
    # shellcheck disable=SC2086
    printf '%s\n' $sources | xargs -P "$(nproc)" -n 1 clang-tidy --quiet -p build --extra-arg={-Xclang,-analyzer-config,-Xclang} \
        --extra-arg="max-nodes=${LINT_NODES:-225000}" 2>/dev/null
}

# include <- lib <- one process's folder; no process includes another's headers.
lint_layers() {
    local bad
    bad=$(grep -rnE '#include "(\.\./|src/)' include lib src || true)
    bad+=$(grep -rnE '#include "(boot|control|command|tcb|sr-pcim|lead|monitor|cli)/' include lib src || true)
    bad+=$(grep -rnE '#include "[^"]+"' include | grep -vE '#include "parclose/' || true)
    [ -z "$bad" ] || { echo "$bad"; return 1; }
}

lint_headers() {
    local header bad=0
    for header in $(git ls-files 'include/*.h' 'lib/*.h'); do
        printf '#include "%s"\n' "${header#*/}" |
            gcc -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -Iinclude -Ilib $(pkg-config --cflags libsystemd libxml-2.0) \
                -fsyntax-only -x c - || { echo "$header does not stand alone"; bad=1; }
    done
    return $bad
}

# A mirror's host name, or this checkout's path, has no place in the repository.
lint_places() {
    local bad mirrors
    mirrors=$(grep -rhoE 'https?://[^ /]+' /etc/apt/sources.list /etc/apt/sources.list.d 2>/dev/null | sort -u || true)
    bad=$(git grep -nF -- "$PWD" || true)
    for m in $mirrors; do bad+=$(git grep -nF -- "${m#*://}" || true); done
    [ -z "$bad" ] || { echo "$bad"; return 1; }
}

lint_man() {
    local page out bad=0
    for page in data/man/*.[1-8]; do
        out=$(MANROFFSEQ='' man --warnings -l -Tutf8 "$page" 2>&1 >/dev/null) || bad=1
        [ -z "$out" ] || { echo "$page: $out"; bad=1; }
    done
    return $bad
}

lint() {
    local check bad=0
    for check in format tidy layers headers places man; do
        printf 'lint: %s\n' "$check"
        if lint_$check; then count_pass "lint $check"; else count_fail "lint $check"; bad=1; fi
    done
    return $bad
}

# --- counting ------------------------------------------------------------------------------------
PASSED=0 FAILED=0
FAILURES=()
SKIPS=()
count_pass() { PASSED=$((PASSED + 1)); }
count_fail() {
    FAILED=$((FAILED + 1))
    FAILURES+=("$1")
}

# skipped LOG: "NAME: why" for each skipped case, and for each test program that was skipped whole. A test says
# "SKIP: why" just before it skips.
skipped() {
    awk '/^test: / { program = $NF; why = "it did not say why" }
        /^SKIP:? / { why = $0; sub(/^SKIP:? /, "", why) }
        /^\[ RUN / { case_name = $NF; why = "it did not say why" }
        /^\[  SKIPPED \] / && $4 == case_name { print case_name ": " why }
        /^result: .*exit status 77/ { whole = program }
        /^=+ [0-9]+\// || /^Summary/ { if (whole) print whole ": " why; whole = "" }
        END { if (whole) print whole ": " why }' "$1" | sort -u
}

# count_cmocka LABEL DIR: each cmocka case of the last meson test run in DIR; a mutant, whose cases must fail, is meson's
# to judge, and one case
count_cmocka() {
    local label=$1 log=$2/cmocka.log line
    awk '/^test: / { name = $NF; mutant = name ~ /-mutant$/ }
        mutant && /^result: / { print (/exit status 0$/ ? "[  FAILED  ] " : "[       OK ] ") name }
        !mutant' "$2/meson-logs/testlog.txt" >"$log"
    PASSED=$((PASSED + $(grep -c '^\[       OK \]' "$log" || true)))
    while read -r line; do count_fail "$label: $line"; done < <(sed -n 's/^\[  FAILED  \] \([-A-Za-z_0-9]*\)$/\1/p' "$log" | sort -u)
    while read -r line; do SKIPS+=("$label: $line"); done < <(skipped "$log")
}

# unit LABEL DIR: runs meson's tests; a test program that dies without a FAILED line counts too
unit() {
    local label=$1 dir=$2 before=$FAILED
    # they mostly wait: twice as many as processors; the time-outs are for those that hang
    if meson test -C "$dir" --no-rebuild --print-errorlogs --num-processes $((2 * $(nproc))) -t 4 >"$dir/test.out" 2>&1; then
        count_cmocka "$label" "$dir"
    else
        tail -60 "$dir/test.out"
        count_cmocka "$label" "$dir"
        [ $FAILED -gt "$before" ] || count_fail "$label: a test program failed"
    fi
}

test_unit() {
    local clang pid
    step "build with gcc, unit tests; beside them the build with clang, ASan and UBSan (2 minutes)"
    build build || { count_fail "build with gcc"; return; }
    clang=$(mktemp)
    build_sanitized >"$clang" 2>&1 &
    pid=$!
    unit gcc build
    wait "$pid" || { cat "$clang"; count_fail "build with clang"; return; }
    rm -f "$clang"
    step "unit tests with ASan and UBSan (1 minute)"
    unit sanitized build-sanitized
}

test_lint() {
    step "lint (1 minute)"
    [ -e build/build.ninja ] || build build || { count_fail "build for lint"; return; }
    LINT_NODES=40000 lint || true # ./dev lint goes as deep as there is
}

# The model check without deaths in it, which is below a minute; ./dev prove has them. 8 properties, 4 mutants.
test_prove() {
    local out line
    out=$(mktemp)
    prove 0 | tee "$out" || true
    PASSED=$((PASSED + $(grep -cE '^prove .*: holds|^mutant .*: found' "$out" || true)))
    while read -r line; do count_fail "$line"; done < <(grep -E '^prove .*: not shown|^mutant .*: NOT FOUND' "$out")
    [ "$(grep -cE '^(prove|mutant) ' "$out")" = 12 ] || count_fail "the model check did not come to its end"
    rm -f "$out"
}

# Lab scenarios print PASS/FAIL/SKIP lines; tests/lab/suite runs them and ends with its exit status.
test_lab() {
    local out line
    out=$(mktemp)
    step "lab (about 22 minutes; the first time it builds its own Debian 13)"
    tests/lab/suite "$@" 2>&1 | tee "$out" || true
    PASSED=$((PASSED + $(grep -c '^PASS ' "$out" || true)))
    while read -r line; do count_fail "$line"; done < <(sed -n 's/^FAIL //p' "$out")
    while read -r line; do SKIPS+=("$line"); done < <(sed -n 's/^SKIP //p' "$out")
    grep -q '^suite: done' "$out" || count_fail "lab: the suite did not come to its end"
    rm -f "$out"
}

report() {
    local line
    printf '\n'
    for line in "${SKIPS[@]:-}"; do [ -z "$line" ] || echo "skipped: $line"; done
    for line in "${FAILURES[@]:-}"; do [ -z "$line" ] || echo "failed: $line"; done
    echo "took $SECONDS s"
    echo "$PASSED passed, $FAILED failed"
    [ $FAILED = 0 ]
}

# beside PART…: those parts in the background, as what runs only when the rest waits: unit tests mostly do, and the lab has
# half a processor to spare
beside() {
    BESIDE=$(mktemp -d)
    (
        chrt --idle -p 0 $BASHPID || renice -n 19 -p $BASHPID >/dev/null
        PASSED=0 FAILED=0 FAILURES=() SKIPS=()
        for part in "$@"; do "test_$part"; done
        declare -p PASSED FAILED FAILURES SKIPS | sed 's/^declare/declare -g/' >"$BESIDE/counts"
    ) >"$BESIDE/said" 2>&1 &
    BESIDE_PID=$!
}

# What they said, and their counts.
beside_done() {
    local mine=$PASSED failed=$FAILED failures=("${FAILURES[@]}") skips=("${SKIPS[@]}")
    wait $BESIDE_PID || true
    cat "$BESIDE/said"
    if [ -e "$BESIDE/counts" ]; then
        # shellcheck disable=SC1091
        . "$BESIDE/counts"
    else
        PASSED=0 FAILED=1 FAILURES=("lint and prove did not come to their end") SKIPS=()
    fi
    PASSED=$((PASSED + mine)) FAILED=$((FAILED + failed))
    FAILURES+=("${failures[@]}") SKIPS+=("${skips[@]}")
    rm -r "$BESIDE"
}

# The lab's own Debian begins to be made while the unit tests mostly wait, before lint and prove, for which nothing waits;
# what goes wrong with it, the lab itself says.
lab_early() {
    nice -n 10 tests/lab/lab build >/dev/null 2>&1 &
    LAB_PID=$!
}

test_all() {
    local part=${1:-all}
    [ $# -eq 0 ] || shift
    setup
    case $part in
    all)
        step "build with gcc; lint, prove and the lab's Debian begin, beside all that follows"
        build build || true # test_unit says it
        beside lint prove
        lab_early
        test_unit
        wait $LAB_PID || true
        test_lab
        beside_done
        ;;
    unit | lint | prove | lab) "test_$part" "$@" ;;
    *) echo "./dev test: unknown part '$part': unit, lint, prove or lab" >&2; return 2 ;;
    esac
    report
}

fuzz() {
    local seconds=${2:-60} name target seeds bad=0
    [ -e build-fuzz/build.ninja ] || CC=clang meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined \
        -Db_lundef=false -Doptimization=1 >/dev/null
    ninja -C build-fuzz --quiet
    for target in build-fuzz/tests/fuzz/fuzz-${1:-*}; do
        [ -x "$target" ] && [ -f "$target" ] || continue
        name=${target##*/fuzz-}
        step "fuzz $name for $seconds s"
        mkdir -p "build-fuzz/corpus/$name"
        seeds=(tests/fuzz/corpus/"$name"/) # some need none
        [ -d "${seeds[0]}" ] || seeds=()
        "$target" -max_total_time="$seconds" -print_final_stats=1 "build-fuzz/corpus/$name" "${seeds[@]}" \
            2>"build-fuzz/$name.log" || bad=1
        grep -E 'ERROR|SUMMARY|number_of_executed_units' "build-fuzz/$name.log" | sed "s/^/$name: /" || true
    done
    return $bad
}

# prove [FAULTS]: the model check of transactions, gate and recovery
prove() {
    build build || return 1
    step "model check (1 minute without deaths, 2 to 4 with one)"
    tests/prove/run build/tests/prove "$@"
}
