# TENFOLD_BIND=core: each rank has cores of its own, or all run unbound and the log says why; the bits are the same.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
. "$source/tests/slurm/slurm.sh"
[ "$(nproc)" -ge 2 ] && [ "$(lscpu --parse=core | grep -v '^#' | sort -u | wc -l)" -ge 2 ] || { echo "less than two cores" && exit 77; }
cores=$(lscpu --parse=core | grep -v '^#' | sort -u | wc -l)
echo 'TaskPlugin=task/affinity' >affinity.conf
slurm_up --nodes 2 --conf affinity.conf
mkdir -p run/slurm run/log
echo 'TENFOLD_BIND=core' >bind.env
cat >program <<'P'
#!/bin/bash
sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status >"cpus.$SLURM_JOB_NAME.${OMPI_COMM_WORLD_RANK:-$SLURM_PROCID}"
P
chmod +x program
stage() { # NAME NODES RANKS_PER_NODE CPUS
    submit --job-name="$1" --output="run/log/$1.log" --nodes="$2" --cpus-per-task="$4" "$source/slurm/stage.sh" "$PWD/program" "$site" "$PWD/run" \
        "$1" f1/0 "$3" train
}
site=$PWD/bind.env
one=$(stage one 1 1 1)
wait_job 60 "$one" COMPLETED
two=$(stage two 2 2 2)
wait_job 60 "$two" COMPLETED
much=$(stage much 1 2 $((2 * cores > 4 ? 4 : 2 * cores)))
wait_job 60 "$much" COMPLETED
site=$PWD/srun.env
printf 'TENFOLD_BIND=core\nTENFOLD_LAUNCHER=srun\n' >srun.env
srun=$(stage srun 1 2 2)
wait_job 60 "$srun" COMPLETED
site=""
free=$(stage free 1 2 2)
wait_job 60 "$free" COMPLETED
grep -qx '[0-9]*' cpus.one.0
for rank in 0 1 2 3; do grep -qx '[0-9]*' cpus.two.$rank; done
test "$(cat cpus.two.0)" != "$(cat cpus.two.1)"
grep -qx '[0-9]*' cpus.srun.0 && grep -qx '[0-9]*' cpus.srun.1
test "$(cat cpus.srun.0)" != "$(cat cpus.srun.1)"
test "$(cat cpus.free.0)" = "$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status)"
if [ $cores = 2 ]; then # two ranks of two cores each
    grep -q "tenfold: 2 ranks of 2 cores cannot be bound, and run unbound: [A-Za-z]" run/log/much.log
    test "$(cat cpus.much.1)" = "$(cat cpus.free.0)"
fi
site=$PWD/wrong.env
echo 'TENFOLD_BIND=socket' >wrong.env
wrong=$(stage wrong 1 1 1)
wait_job 60 "$wrong" FAILED
grep -q "TENFOLD_BIND=socket in .*: give none or core" run/log/wrong.log

export TENFOLD_SITE_ENV=$PWD/bind.env
short="--set train.images=320 --set train.evaluations=1 --set train.warmup_images=0 --set self.max_rounds=0 --set train.loader_threads=1"
"$tenfold" submit tiny.cfg --run out $short --set "slurm.nodes=[ 1, 2 ]" --set slurm.cpus_per_rank=1 >ids
timeout 200 "$tenfold" status out --watch --every 2 >watch 2>&1 || { cat watch out/log/*.log && exit 1; }
if grep "cannot be bound" out/log/*.log; then exit 1; fi
"$tenfold" run tiny.cfg --run local $short >/dev/null 2>log || { cat log; exit 1; }
(cd local && md5sum train/*/best.safetensors ensemble.h5) >expected
test "$(wc -l <expected)" = 4
(cd out && md5sum train/*/best.safetensors ensemble.h5) | cmp - expected
