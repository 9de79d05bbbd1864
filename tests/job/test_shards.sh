# One row per shard: more shards than files may be open at first, shards without a readable image, and the same model.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 64/; s/warmup_images = 200/warmup_images = 0/; s/evaluations = 3/evaluations = 1/' tiny.cfg
echo text >"data/$(awk -F, 'NR == 5 { print $1 }' data/metadata.csv)"
echo text >"data/$(awk -F, 'NR == 200 { print $1 }' data/metadata.csv)"
for n in 1 2 4; do
    mpirun -n $n "$tenfold" preprocess tiny.cfg --run many$n --set preprocess.shard_rows=1 2>log || { cat log; exit 1; }
    (cd many$n/shards && md5sum dataset.h5 shard-*.h5 quarantine.csv) >digest$n
done
cmp digest1 digest2
cmp digest1 digest4
test "$(cut -d, -f1 many4/shards/quarantine.csv | tr '\n' ' ')" = "row 3 198 "

"$tenfold" preprocess tiny.cfg --run few 2>log
(ulimit -Sn 200 && "$tenfold" train tiny.cfg --run many1 --folds 0 2>log) || { cat log; exit 1; }
"$tenfold" train tiny.cfg --run few --folds 0 2>log || { cat log; exit 1; }
cell=train/r0-f0-s32-x1/best.safetensors
test "$("$tenfold" weights digest many1/$cell)" = "$("$tenfold" weights digest few/$cell)"
code=0
(ulimit -n 200 && "$tenfold" train tiny.cfg --run many1 --folds 1 2>log) || code=$?
test $code = 2
grep -q "240 shards are more than the 200 files .* raise the limit .* or preprocess.shard_rows" log

# a test row without a readable image gets a line too: the shares of the classes among the training rows
bad=$(awk -F, '$6 == "test" { print $1; exit }' data/metadata.csv)
echo text >"data/$bad"
"$tenfold" run tiny.cfg --run bad --set self.max_rounds=0 --set data.max_bad_fraction=0.1 >report 2>log || { cat log; exit 1; }
shares=$(awk -F, 'NR == FNR { bad[$2]; next } FNR > 1 && $6 != "test" && $2 != "" && !($1 in bad) { n++; c[$2]++ }
    END { m = c["disc"] >= c["square"] && c["disc"] >= c["stripes"] ? "disc" : c["square"] >= c["stripes"] ? "square" : "stripes"
          printf "%s %.4f %.4f %.4f", m, c["disc"] / n, c["square"] / n, c["stripes"] / n }' bad/shards/quarantine.csv data/metadata.csv)
test "$shares" = "$(awk -F, -v bad="$bad" '$1 == bad { printf "%s %.4f %.4f %.4f", $2, $3, $4, $5 }' bad/submission.csv)"

# images that are not there at all: one message, after every rank's list is gathered
code=0
mpirun -n 4 "$tenfold" preprocess tiny.cfg --run none --set data.images=nowhere 2>log || code=$?
test $code = 4
grep -q "240 of 240 images cannot be used, more than data.max_bad_fraction = 0.01 allows" log
test "$(wc -l <none/shards/quarantine.csv)" = 241
test ! -e none/shards/DONE
