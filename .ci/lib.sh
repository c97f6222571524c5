# Sourced by the scripts beside it: where things are, and what they need.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tmp=$root/.ci/tmp # logs and helper programs; not in git
export GOWORK=off

die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# need_go fails unless this is a Go that can build the root module.
need_go() {
	local want have
	want=$(awk '$1 == "go" { print $2 }' "$root/go.mod")
	command -v go >/dev/null || die "go is not installed; Sallyport needs Go $want or newer"
	have=$(cd "$root" && go env GOVERSION 2>/dev/null) || have=$(cd / && GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || have=unknown
	awk -v have="$have" -v want="$want" 'BEGIN {
		sub(/^.*go/, "", have); split(have, h, /[^0-9]+/); split(want, w, /[^0-9]+/)
		exit !(h[1] > w[1] || h[1] == w[1] && h[2] >= w[2])
	}' || die "Go $want or newer is needed, this is $have"
}

# need_cc fails unless there is a C compiler, which the race detector needs.
need_cc() {
	local cc
	cc=$(go env CC)
	if ! command -v "${cc%% *}" >/dev/null; then
		cc=$(command -v gcc || command -v clang) ||
			die "no C compiler found: the race detector needs gcc or clang"
		export CC=$cc
	fi
	export CGO_ENABLED=1
}

# have COMMAND PACKAGE: is the command there? As root on Debian the package is
# installed; a service of its own is kept from starting.
have() {
	command -v "$1" >/dev/null && return
	[ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || return
	echo "installing $2" >&2
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq "$2"; } >&2 &&
		command -v "$1" >/dev/null
}

# need_redis fails unless there is a redis-server, which the tests start on a port
# of their own.
need_redis() {
	have redis-server redis-server ||
		die "redis-server 7 or newer is needed and was not found (Debian: apt-get install redis-server)"
}

# need_softhsm fails unless there is SoftHSM. Nothing touches the machine's own tokens.
need_softhsm() {
	have softhsm2-util softhsm2 || die "SoftHSM 2 is needed and was not found (Debian: apt-get install softhsm2)"
}

# modules lists the folders of the modules in go.work.
modules() {
	local list m
	list=$(go work edit -json "$root/go.work" | awk -F'"' '$2 == "DiskPath" { sub(/^\.\//, "", $4); print $4 }')
	for m in $list; do
		[ -f "$root/$m/go.mod" ] || die "go.work uses $m, which has no go.mod"
		printf '%s\n' "$m"
	done
}

# libraries lists those that are tagged.
libraries() {
	modules | awk -v file="$root/.ci/untagged" '
		BEGIN { while ((getline line < file) > 0) if (line != "" && line !~ /^#/) untagged[line] = 1 }
		{ for (u in untagged) if ($0 == u || index($0, u "/") == 1) next; print }'
}

# tool prints the path of a program that tools/go.mod pins, built if need be.
tool() { (cd "$root/.ci/tools" && go tool -n "$1"); }

# helper prints the path of one of our own programs, built if need be.
helper() {
	mkdir -p "$tmp"
	(cd "$root/.ci" && go build -o "$tmp/$1" "./$1")
	printf '%s\n' "$tmp/$1"
}

# scratch gives the script a temporary folder of its own, and all that it starts: what
# a test leaves there that was killed, or a build, goes with the script. A go command
# that outlives the script would make its folder again, so it is ended first.
scratch() {
	TMPDIR=$(mktemp -d)
	export TMPDIR
	trap 'pkill -P $$ 2>/dev/null || true; rm -rf "$TMPDIR"' EXIT
}

# limit SECONDS COMMAND... ends the command after so many seconds, where the
# system can.
limit() {
	if command -v timeout >/dev/null; then
		timeout -k 10 "$@"
	else
		shift
		"$@"
	fi
}

need_go

# The folder of a package is part of its key in the build cache, unless there is
# -trimpath. Without, each clone compiles everything again, in every variant, and adds
# that to the cache.
GOFLAGS=$(go env GOFLAGS)
case $GOFLAGS in
*-trimpath*) ;;
*) GOFLAGS="${GOFLAGS:+$GOFLAGS }-trimpath" ;;
esac
export GOFLAGS
