#!/bin/sh
# Runs the whole suite in a directory for temporary files of its own, so that no cache of it stays behind.
TMPDIR=$(mktemp -d) && export TMPDIR
# Some tests run as another user.
chmod 1777 "$TMPDIR"
trap 'rm -rf "$TMPDIR"' EXIT
trap 'exit 130' INT TERM
node --import tsx --test --test-concurrency=2 --test-timeout=120000 $(find test -name '*.test.ts')
