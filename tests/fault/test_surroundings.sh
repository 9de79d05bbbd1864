# What surrounds the program: a machine without ssh.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
small="--set train.images=128 --set train.evaluation_points=1 --set train.warmup_images=0 --set self.max_rounds=0"

# --- no ssh, as in many containers: mpirun looks for it although all ranks are here
mkdir bin
for program in mpirun orterun orted prte prterun bash sh; do
    there=$(command -v $program) && ln -s "$there" bin/
done
bash=$(command -v bash)
PATH=$PWD/bin "$bash" -c 'command -v ssh || command -v rsh' && exit 1
PATH=$PWD/bin "$tenfold" run tiny.cfg --run no-ssh $small >log 2>&1 || { cat log; exit 1; }
test -s no-ssh/submission.csv
