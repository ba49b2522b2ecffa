#!/usr/bin/env bash
# Real English prose for the demo: the essays of Debian's `anarchism` package
# (12 MB of Markdown), split by file into train, validation and test.
#   examples/prose.sh FOLDER
set -euo pipefail
package=anarchism
folder=$1

say() { printf 'prose: %s\n' "$*"; }
fail() {
  printf 'prose: %s\n' "$@" >&2
  exit 3
}

if [ -e "$folder/complete" ]; then
  say "$folder is there already"
  exit 0
fi
mkdir -p "$folder"
work=$(mktemp -d "$folder/unpack.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The package is unpacked, not installed: that needs no root, and works where
# documentation is kept off the disk.
download() { (cd "$work" && apt-get -q download "$package") >"$work/log" 2>&1; }

say "downloading Debian's package $package (7 MB)"
if ! download; then
  asRoot=()
  [ "$(id -u)" -eq 0 ] || asRoot=(sudo)
  "${asRoot[@]}" apt-get -q update >"$work/log" 2>&1 && download || {
    cat "$work/log" >&2
    fail "cannot download the package $package (see above)" \
      "check the network and apt's sources, then run this again"
  }
fi
dpkg-deb -x "$work/$package"_*.deb "$work/files"

# Contents pages and lists of links are left out, and so are the link targets and
# the navigation at the end of a page. Of the pages in the order of their names
# every twentieth goes to validation and every twentieth to test.
mkdir -p "$work"/split/{train,validation,test}
number=0
for page in "$work/files/usr/share/doc/$package"/markdown/*; do
  text="$work/page"
  case $page in
  *.gz) zcat "$page" ;;
  *) cat "$page" ;;
  esac | sed -z -E 's/\n\[‹ .*$/\n/; s/\]\([^()]*\)/]/g' >"$text"
  [ "$(stat -c %s "$text")" -ge 16384 ] || continue
  case $((number % 20)) in
  8) part=validation ;;
  15) part=test ;;
  *) part=train ;;
  esac
  name=$(basename "$page" .gz)
  mv "$text" "$work/split/$part/${name%.md}.txt"
  number=$((number + 1))
done
[ "$number" -ge 100 ] || fail "the package $package has changed: $number pages, at least 100 expected"
rm -rf "$folder"/{train,validation,test}
mv "$work"/split/* "$folder"
touch "$folder/complete"
for part in train validation test; do
  say "$part: $(find "$folder/$part" -name '*.txt' | wc -l) files," \
    "$(cat "$folder/$part"/*.txt | wc -c) bytes"
done
