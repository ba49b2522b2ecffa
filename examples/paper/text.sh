#!/usr/bin/env bash
# Some 120 MB of English for real runs: essays, manuals and dictionaries of
# Debian 12's packages, a file for each page. Needs apt, no root.
#   examples/paper/text.sh FOLDER
# Then: decay data FOLDER -o DATA --tokenizer=gpt2 --validation=0.01 --test=0.01
set -euo pipefail
folder=${1:?usage: examples/paper/text.sh FOLDER}

# A package, the pages in it (a pattern of find's -path), how a page becomes text.
sources='
anarchism        */markdown/*        page
linux-doc-6.1    *_sources/*.txt*    page
llvm-22-doc      *_sources/*.txt     page
python3.11-doc   *_sources/*.txt     page
perl-doc         *.pod               page
dict-gcide       *.dict.dz           book
dict-foldoc      *.dict.dz           book
wordnet-base     */data.*            glosses
'

say() { printf 'text: %s\n' "$*"; }
fail() {
  printf 'text: %s\n' "$@" >&2
  exit 3
}
if [ -e "$folder/.complete" ]; then
  say "$folder is there already"
  exit 0
fi
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

unpacked() {
  case $1 in
  *.gz | *.dz) gzip -dc <"$1" ;;
  *) cat "$1" ;;
  esac
}

# page FILE NAME: a page of at least 2 KB that is UTF-8. The same text is kept once.
page() {
  local text="$work/page" sum
  unpacked "$1" >"$text"
  [ "$(stat -c %s "$text")" -ge 2048 ] && iconv -f UTF-8 -t UTF-8 "$text" >/dev/null 2>&1 || return 0
  sum=$(sha256sum <"$text")
  [ ! -e "$work/seen-${sum:0:64}" ] || return 0
  : >"$work/seen-${sum:0:64}"
  mv "$text" "$folder/$2.txt"
}
# book FILE NAME: one that is cut at lines into files of 256 KB, so that a part can be held out.
book() { unpacked "$1" | iconv -f UTF-8 -t UTF-8 -c | split -C 256k -d -a 4 --additional-suffix=.txt - "$folder/$2-"; }
# glosses FILE NAME: what a dictionary's lines say after their last bar.
glosses() {
  sed -n 's/.*| *//p' "$1" >"$work/book"
  book "$work/book" "$2"
}

printf '%s' "$sources" | while read -r package pattern kind; do
  [ -n "$package" ] || continue
  (cd "$work" && apt-get -q download "$package") >"$work/log" 2>&1 || {
    tail -n 5 "$work/log" >&2
    fail "cannot download Debian's package $package (see above)" \
      "apt-get update may help; then run this again"
  }
  dpkg-deb -x "$work/$package"_*.deb "$work/$package"
  number=0
  while read -r file; do
    "$kind" "$file" "$package-$(printf '%05d' "$number")"
    number=$((number + 1))
  done < <(find "$work/$package" -type f -path "$pattern" | sort)
  [ "$number" -gt 0 ] || fail "the package $package has changed: no $pattern in it"
  rm -rf "$work/${package:?}" "$work/$package"_*.deb
  say "$package: $number files, $(du -sm --apparent-size "$folder" | cut -f1) MB by now"
done
touch "$folder/.complete"
