# Test rows that share content or group with training rows: counted, and scored apart; on one and two ranks, and of a student.
tenfold=$1 source=$2
. "$source/tests/job/tiny.sh"
sed -i 's/images = 2400/images = 240/; s/evaluations = 3/evaluations = 1/; s/warmup_images = 200/warmup_images = 0/; s/metadata_levels = 2/metadata_levels = 0/; s/ truth_column = "truth";//' tiny.cfg
settings="--set self.max_rounds=0 --set distil.student=true"

# pictures of one colour resemble no other picture; every fifth is the test split
rm -r data
"$TN_MAKE_IMAGES" data 240 0 plain
awk -v OFS=, 'BEGIN { split("disc square stripes", of, " "); print "path,label,group,split" }
    NR > 1 { n++; print $1, of[n % 3 + 1], "g" n, n % 5 ? "train" : "test" }' data/metadata.csv >table && mv table data/metadata.csv
must "$tenfold" run tiny.cfg --run none $settings
tr -d ' \n' <none/metrics.json | grep -q '"beside_training":null'
if grep -q "resemble training rows" none/report/report.md; then exit 1; fi

# six test rows become copies of a training row's picture, three more join a training row's group: nine, beside nine training rows
awk -F, -v OFS=, '$4 == "test" && ++n <= 6 { system("cp data/" before " data/" $1); print $1 >"beside" }
    $4 == "test" && n > 6 && n <= 9 { $3 = group; print $1 >"beside" }
    $4 == "train" { before = $1; group = $3 } { print }' data/metadata.csv >table && mv table data/metadata.csv
must "$tenfold" run tiny.cfg --run one $settings
cp -r one two
rm -r two/reduce two/metrics.json two/distil
must mpirun -n 2 "$tenfold" reduce two
must mpirun -n 2 "$tenfold" distil two
for file in metrics.json distil/metrics.json; do cmp <(grep -v '^ "run"' one/$file) <(grep -v '^ "run"' two/$file); done

# counted here, from the table and the submission
score() { awk -F, -v table="$1" 'FILENAME == "beside" { near[$1] } FILENAME == "data/metadata.csv" && $4 == "test" { label[$1] = $2 }
    FILENAME == table && $1 in label { b = $1 in near; n[b]++; right[b] += label[$1] == $2 }
    END { printf "%d %.6f %d %.6f\n", n[1], right[1] / n[1], n[0], right[0] / n[0] }' beside data/metadata.csv "$1"; }
told() { tr -d ' \n' <"$1" | sed 's/.*"beside_training"://; s/"[a-z_]*calibration".*//' |
    sed 's/.*"test":{"n":\([0-9]*\),.*"accuracy":\([0-9.]*\),.*"test_without":{"n":\([0-9]*\),.*"accuracy":\([0-9.]*\),.*/\1 \2 \3 \4/' |
    awk '{ printf "%d %.6f %d %.6f\n", $1, $2, $3, $4 }'; }
told one/metrics.json | cmp - <(score one/submission.csv)
told one/distil/metrics.json | cmp - <(score one/distil/submission.csv)
[ "$(score one/submission.csv | cut -d ' ' -f 1,3)" = "9 39" ]
grep -q "^9 test rows share content, look or group with 9 training rows: " one/report/report.md
grep -q "^| submitted, test rows that resemble training rows | 9 |" one/report/report.md
grep -q "^| submitted, the other test rows | 39 |" one/report/report.md
