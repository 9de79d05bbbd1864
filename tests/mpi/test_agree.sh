# One rank's failure becomes the verdict of all: one message, its exit code, no hang.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
cp -r data good
verdict() { # RANKS CODE TEXT: the preprocess verb ends with CODE and says TEXT once
    code=0
    timeout 60 mpirun -n $1 "$tenfold" preprocess tiny.cfg --run bad$1 >log 2>&1 || code=$?
    test $code = $2 || { cat log; exit 1; }
    test "$(grep -c "$3" log)" = 1 || { cat log; exit 1; }
}
# all ranks fail alike: no rank is named
for n in 1 2 4; do
    sed -i '2s/,[a-z]*,/,nonsense,/' data/metadata.csv
    verdict $n 2 'error: data/metadata.csv:2: label `nonsense` is not in data.classes'
done
cp good/metadata.csv data/
# only one rank fails, while the others are in the next collective: a folder stands where the shard of rank 1 must go
for n in 2 4; do
    mkdir -p bad$n/shards/shard-00001.h5.tmp
    verdict $n 3 "error: rank 1: .*shard-00001.h5.tmp: cannot be made"
    test ! -e bad$n/shards/DONE
done
# ranks that their launcher does not connect: each is alone, and refuses before it writes anything
code=0
TENFOLD_RANKS=2 timeout 60 "$tenfold" preprocess tiny.cfg --run apart >log 2>&1 || code=$?
test $code = 2
grep -q "error: the launcher started 2 ranks, but MPI knows 1" log
test ! -e apart
for rank in 0 1; do # those of another MPI's mpirun, by hand: one of them speaks
    code=0
    PMI_RANK=$rank PMI_SIZE=2 timeout 60 "$tenfold" preprocess tiny.cfg --run apart >log 2>&1 || code=$?
    test $code = 2
    test "$(grep -c "error: the launcher started 2 ranks, but MPI knows 1: .* this program runs with, \(Open MPI v\|MPICH \)[0-9.]*\. mpirun" log)" = $((1 - rank))
done
test ! -e apart
TENFOLD_RANKS=2 timeout 60 mpirun -n 2 "$tenfold" preprocess tiny.cfg --run together >log 2>&1 || { cat log; exit 1; }
TENFOLD_RANKS=9 timeout 120 "$tenfold" run tiny.cfg --run within --ranks 1 --set train.images=32 --set train.warmup_images=0 --set train.evaluations=1 --set self.max_rounds=0 >log 2>&1 || { cat log; exit 1; } # of a job around it
