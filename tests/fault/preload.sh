# preload.sh - sourced by tests that put a library in front of the program's: skips them where that cannot be. Needs $tenfold.
command -v cc >/dev/null || { echo "skipped: no C compiler"; exit 77; }
if ldd "$tenfold" | grep -q libasan; then echo "skipped: the address sanitizer wants to be loaded first"; exit 77; fi
