# Images that cannot be had now, and decoders that die: no row is lost to a failure of the moment, none keeps a run from ending.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
# a progressive JPEG of 8192 x 8192 and $1 scans that say nothing; each takes about 10 ms of computing
slow_image() {
    printf '\377\330\377\333\0\103\0'
    head -c 64 /dev/zero | tr '\0' '\1'
    printf '\377\302\0\013\010\040\0\040\0\001\001\021\0'
    printf '\377\304\0\024\0\001\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
    printf '\377\304\0\024\020\001\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\340'
    printf '\377\332\0\010\001\001\0\0\0\0'
    head -c 131072 /dev/zero
    for _ in $(seq $1); do
        printf '\377\332\0\010\001\001\0\001\077\0'
        head -c 120 /dev/zero
    done
    printf '\377\331'
}
fails() { # CODE TEXT COMMAND...
    want=$1 text=$2 code=0
    shift 2
    "$@" >log 2>&1 || code=$?
    if [ $code != $want ] || ! grep -q -- "$text" log; then
        echo "$*: exit code $code, wanted $want and: $text"
        cat log
        exit 1
    fi
}
like_whole() { (cd $1 && md5sum -c --quiet ../expected); } # RUN: its files are those of an undisturbed run
pre="$tenfold preprocess tiny.cfg"
$pre --run whole >log 2>&1 || { cat log; exit 1; }
(cd whole && md5sum shards/*.h5 shards/quarantine.csv folds/folds.h5) >expected

# --- missing, cut off, and mended: the shards that were made without them are made again, the others are kept
cp -r data/images good
rm data/images/000*
head -c 500 good/0060.jpg >data/images/0060.jpg
fails 4 "11 of 240 images cannot be used.*" mpirun -n 2 $pre --run missing
grep -q "repair them, or raise data.max_bad_fraction .* run the same command again" log
fails 4 "11 of 240 images cannot be used" $pre --run missing
grep -q "5 of 5 shards were there already" log
cp good/* data/images/
mpirun -n 2 $pre --run missing >log 2>&1 || { cat log; exit 1; }
grep -q "3 of 5 shards were there already" log
like_whole missing
# what is done stays done; that an image is there now is said
rm data/images/0003.png
$pre --run "done" >log 2>&1 || { cat log; exit 1; }
grep -q "1 of 240 images cannot be used and are left out.* delete that folder and preprocess again" log
$pre --run "done" 2>&1 | grep -q "still left out" && exit 1
cp good/0003.png data/images/
$pre --run "done" >log 2>&1 || { cat log; exit 1; }
grep -q "done/shards: 1 images that were missing exist now, but are still left out: to include them, delete that folder" log

# --- what a library complains of is said with the name of the image, and the image is read: here a TIFF with a tag that nobody knows
tag() { printf "\\x$(printf %02x $(($1 & 255)))\\x$(printf %02x $(($1 >> 8)))\\x$2\\0\\x1\\0\\0\\0\\x$3\\0\\0\\0"; } # NUMBER TYPE VALUE
{
    printf 'II*\0\x8\0\0\0\xa\0' # 16 x 16 pixels of one byte, behind a directory of ten tags
    tag 256 4 10 && tag 257 4 10 && tag 258 3 08 && tag 259 3 01 && tag 262 3 01 && tag 273 4 90 && tag 277 3 01 && tag 278 4 10
    printf '\x17\1\4\0\1\0\0\0\0\1\0\0' # 279: 256 bytes
    tag 65000 3 07
    head -c 274 /dev/zero
} >data/images/0005.png
G_DEBUG=fatal-warnings $pre --run flawed >log 2>&1 || { cat log; exit 1; } # a developer's setting, for programs of GLib
grep -q "^tenfold: warning: data/images/0005.png: Unknown field with tag 65000 (0xfde8) encountered" log || { cat log; exit 1; }
grep -q "VIPS" log && { cat log; exit 1; }
test "$(wc -l <flawed/shards/quarantine.csv)" = 1
cp good/0005.png data/images/

# --- errors of the moment fail the run, and name the file; files of the kernel have them for everybody
unread() { # FILE TEXT
    [ -e "$1" ] || return 0
    ln -sf "$1" data/images/0100.jpg
    fails 3 "data/images/0100.jpg: cannot be read: $2: .* run the same command again" mpirun -n 2 $pre --run unread --set data.max_bad_fraction=1
    test ! -e unread/shards/DONE
}
unread /sys/class/net/lo/speed "Invalid argument"
unread /sys/bus/cpu/uevent "Permission denied"
cp --remove-destination good/0100.jpg data/images/
$pre --run unread >log 2>&1 || { cat log; exit 1; }
like_whole unread

# --- the decoder holds one image for long
slow_image 3000 >data/images/0120.jpg
begin() { # RUN: a process that decodes the slow image: $job, and its child. MPI has short-lived children of the same name: computing time tells
    $pre --run $1 >log 2>&1 &
    job=$!
    for _ in $(seq 3000); do # the other images take less than a second together
        for child in $(pgrep -P $job -x tenfold); do
            [ "$(awk '{ print ($14 > 100) }' /proc/$child/stat 2>/dev/null)" != 1 ] || return 0
        done
        kill -0 $job 2>/dev/null || break
        sleep 0.02
    done
    echo "$1: no child decodes the slow image"
    cat log
    exit 1
}
next_child() { # NOT_THIS
    for _ in $(seq 3000); do
        child=$(pgrep -P $job -x tenfold) && [ "$child" != "$1" ] && return
        sleep 0.01
    done
    cat log
    exit 1
}
end_child() { kill -$1 $child; } # SIGNAL
ended() { # CODE
    code=0
    wait $job || code=$?
    [ $code = $1 ] || { echo "exit code $code, wanted $1"; cat log; exit 1; }
}

# a crash, twice with the same image: the image is quarantined, the rest is as ever
begin crash
end_child SEGV
next_child $child
end_child SEGV
ended 0
test "$(sed 1d crash/shards/quarantine.csv)" = "120,images/0120.jpg,the decoder crashed on it: signal 11"
# out of time, likewise
begin endless
end_child PROF
next_child $child
end_child PROF
ended 0
test "$(sed 1d endless/shards/quarantine.csv)" = "120,images/0120.jpg,decoding it came to no end in 127 s"
# killed from outside twice: the image may be fine
begin killed
end_child KILL
next_child $child
end_child KILL
ended 5
grep -q "data/images/0120.jpg: the process that decodes it was killed twice (signal 9)" log
test ! -e killed/shards/DONE
# the child dies with its parent
begin orphan
kill -KILL $job
ended 137
for _ in $(seq 500); do [ -e /proc/$child ] || break; sleep 0.01; done
test ! -e /proc/$child
# a stop does not wait for the image
begin stopped
kill -TERM $job
ended 6
grep -q "stopped on request; the shards that are finished are kept" log

# once is no proof: a fresh child decodes it
slow_image 300 >data/images/0120.jpg
$pre --run slow >log 2>&1 || { cat log; exit 1; }
(cd slow && md5sum shards/*.h5 shards/quarantine.csv folds/folds.h5) >expected
begin once
end_child SEGV
ended 0
like_whole once
# too many open files, from the slow image on: the next one cannot be opened
begin few
prlimit --pid $job --nofile=3:3
ended 3
grep -q "data/images/0121.png: cannot be read: Too many open files" log
test ! -e few/shards/DONE
