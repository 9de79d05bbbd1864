# The same cell on two hosts, over file systems whose locks do not reach, or outlive their host: only the heartbeat in the lock
# file tells. The other host is played by a loop that writes its line.
tenfold=$1 source=$2
. "$source/tests/fault/preload.sh"
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 320/; s/evaluations = 3/evaluations = 1/; s/warmup_images = 200/warmup_images = 0/' tiny.cfg
"$tenfold" preprocess tiny.cfg --run two >log 2>&1 || { cat log; exit 1; }
lock=two/train/.r0-f0-s32-x1.lock cell=two/train/r0-f0-s32-x1
test ! -s two/.shards.lock # given up in good order: the next one need not wait, wherever it runs
mkdir -p two/train
ended() { # CODE TEXT: how the last background job ended
    code=0
    wait $! || code=$?
    cat log
    test $code = $1
    grep -q "$2" log
}

# it lives: exit code 7, which nobody requeues
(i=0; while :; do printf 'other-kernel host-b 4711 0123 2 %020d\n' $i 1<>$lock; i=$((i + 1)); sleep 1; done) &
other=$!
code=0
timeout 60 "$tenfold" train tiny.cfg --run two --folds 0 >log 2>&1 || code=$?
cat log
test $code = 7
grep -q "$cell: another tenfold is working on it (process 4711 on host-b)" log
test ! -e $cell/checkpoint.safetensors

# it dies: taken over after 30 s of looking, however old or young its file is for this host's clock
kill $other
touch -d '+1 hour' $lock
timeout 100 "$tenfold" train tiny.cfg --run two --folds 0 >log 2>&1 || { cat log; exit 1; }
cat log
grep -q "goes on after a process that ended without a word" log
test -e $cell/DONE
test ! -s $lock

# held up for so long that another took over: leaves before it publishes anything
"$tenfold" train tiny.cfg --run two --folds 1 --set train.checkpoint_seconds=1e-6 --set train.images=100000 >log 2>&1 &
for _ in $(seq 600); do [ -e two/train/r0-f1-s32-x1/checkpoint.safetensors ] && break; sleep 0.1; done
# again and again: its heartbeat may write at the same moment
for _ in 1 2 3 4; do printf 'other-kernel host-b 4711 0123 %020d\n' 1 1<>two/train/.r0-f1-s32-x1.lock; sleep 0.3; done
ended 7 "did not run for so long that another tenfold took it over: other-kernel host-b 4711"
grep -q "host-b 4711" two/train/.r0-f1-s32-x1.lock # the new holder's line stays

# taken over while it publishes: what lies in the folder then is the other's, and is neither removed nor replaced
cat >take.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* The other host comes when the file TAKE_AT is published. */
int rename(const char *from, const char *to) {
    const char *at = getenv("TAKE_AT"), *name = strrchr(to, '/');
    int failed = ((typeof(&rename))dlsym(RTLD_NEXT, "rename"))(from, to);
    if (!at || !name || strcmp(name + 1, at) != 0) return failed;
    unsetenv("TAKE_AT");
    if (system("./take") != 0) abort();
    return failed;
}
C
cc -shared -fPIC -o take.so take.c -ldl
cat >take <<'SH'
#!/bin/sh
unset LD_PRELOAD
printf 'other-kernel host-b 4711 0123 %020d\n' 1 1<>"$LOCK"
for file in $THEIRS; do echo theirs >"$FOLDER/$file"; done
SH
chmod +x take
taken() { # FOLDER FILE THEIRS VERB [options]
    FOLDER=$1 LOCK=$(dirname $1)/.$(basename $1).lock TAKE_AT=$2 THEIRS=$3
    export FOLDER LOCK THEIRS
    shift 3
    LD_PRELOAD=$PWD/take.so TAKE_AT=$TAKE_AT "$tenfold" "$@" >log 2>&1 &
    ended 7 "$FOLDER: this process did not run for so long that another tenfold took it over: other-kernel host-b 4711"
    for file in $THEIRS; do test "$(cat $FOLDER/$file)" = theirs; done
    rm -r $FOLDER $LOCK
}
cp -r two three
rm -r three/train/.*.lock three/train/r0-f1-s32-x1
"$tenfold" train tiny.cfg --run three --folds 1-2 >log 2>&1 || { cat log; exit 1; }
taken three/filter/r1 overlay-f0.h5 "DONE ledger.h5 overlay-f1.h5.tmp" filter tiny.cfg --run three
taken three/predict/r0-f0-s32-x1 predictions.h5 "DONE predictions.h5" predict tiny.cfg --run three --round 0 --folds 0
rm -r three/train/r0-f0-s32-x1
taken three/train/r0-f0-s32-x1 posteriors.h5 "DONE best.safetensors.tmp best.safetensors" train tiny.cfg --run three --folds 0
rm -r three/shards
taken three/shards quarantine.csv "DONE dataset.h5 dataset.h5.tmp" preprocess tiny.cfg --run three

# a file system without locks: two processes on one host are told apart by the heartbeat alone
echo '#include <errno.h>
int flock(int fd, int how) { (void)fd, (void)how; errno = ENOLCK; return -1; }' >no_locks.c
cc -shared -fPIC -o no_locks.so no_locks.c
export LD_PRELOAD=$PWD/no_locks.so
"$tenfold" train tiny.cfg --run two --folds 2 --set train.images=100000 >log2 2>&1 &
first=$!
for _ in $(seq 600); do [ -s two/train/.r0-f2-s32-x1.lock ] && break; sleep 0.1; done
"$tenfold" train tiny.cfg --run two --folds 2 --set train.images=100000 >log 2>&1 &
ended 7 "another tenfold is working on it (process $first on $(hostname))"
kill -TERM $first
